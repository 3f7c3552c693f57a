import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  globalIgnores(['dist/', 'dist-test/', 'site/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error', reportUnusedInlineConfigs: 'error' } },
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'no-constant-binary-expression': 'error',
      'no-empty': 'error',
      'no-self-compare': 'error',
      'no-template-curly-in-string': 'error',
      'no-unreachable-loop': 'error',
      'no-unsafe-finally': 'error',
      'no-useless-assignment': 'error',

      // `process.env['NAME']` shows that the name is data.
      '@typescript-eslint/dot-notation': ['error', { allowIndexSignaturePropertyAccess: true }],
      // An async function without await turns what it throws into a rejection, which is its caller's contract.
      '@typescript-eslint/require-await': 'off',
      // To do nothing is a whole implementation of some interfaces.
      '@typescript-eslint/no-empty-function': ['error', { allow: ['methods'] }],
      // What the types promise is checked all the same where callers hand it in: they may have no types.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // Wants the `!` that no-non-null-assertion forbids.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      // Where nothing but void can come, nobody can mistake it for a value.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // Counts a method as unbound that is only looked at, to see whether it is there.
      '@typescript-eslint/unbound-method': 'off',
      // An empty string is as good as none.
      '@typescript-eslint/prefer-nullish-coalescing': ['error', { ignorePrimitives: { string: true } }],
      // Whatever a drone threw is passed on as it is.
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true, allowThrowingAny: true }],
      '@typescript-eslint/prefer-promise-reject-errors': [
        'error',
        { allowThrowingUnknown: true, allowThrowingAny: true },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // node:test awaits its tests itself.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['describe', 'it', 'suite', 'test'] },
          ],
        },
      ],
    },
  },
  { files: ['test/**'], rules: { '@typescript-eslint/no-non-null-assertion': 'off' } },
  { files: ['scripts/**', 'examples/**', 'bench/**', 'test/soak/**'], rules: { 'no-console': 'off' } },
  // package.json and what esbuild gives are `any`, and only as good as the checks that the scripts then make.
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
);
