/** The site of guides and API, as `npm run docs` builds it, in a real browser. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { type Chromium, type Page, startChromium } from './support/chromium.js';
import { leakCheck } from './support/leak-check.js';
import { until } from './support/until.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const MIME_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
};
const [DESKTOP_PX, PHONE_PX, HEIGHT_PX] = [1280, 390, 844];

let site: string;
let chromium: Chromium;
before(async () => {
  site = await mkdtemp(join(tmpdir(), 'drone-site-'));
  const typedoc = join(ROOT, 'node_modules/typedoc/bin/typedoc');
  // Rejects for a warning, too.
  await promisify(execFile)(process.execPath, [typedoc, '--out', site], { cwd: ROOT });
  chromium = await startChromium();
});
after(async () => {
  await chromium[Symbol.asyncDispose]();
  await rm(site, { recursive: true });
});
leakCheck();

/** A server of files and nothing else. */
async function serve(): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    const path = join(site, new URL(request.url ?? '/', 'http://localhost').pathname);
    readFile(path.endsWith('/') ? join(path, 'index.html') : path).then(
      contents => response.writeHead(200, { 'content-type': MIME_TYPES[extname(path)] ?? 'text/html' }).end(contents),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

/** Types words into the search, and returns the titles and addresses of what is found. */
async function search(page: Page, words: string): Promise<{ title: string; url: string }[]> {
  // Hidden until the theme is set: what is hidden cannot take the focus.
  await until(async () => (await page.evaluate("document.body.style.display !== 'none'")) === true);
  await page.press('/');
  await until(async () => (await page.evaluate("document.activeElement?.id === 'tsd-search-input'")) === true);
  // The index is loaded when the page is idle.
  await until(async () => (await page.evaluate('window.searchData !== undefined')) === true);
  await page.type(words);
  const links = "[...document.querySelectorAll('#tsd-search-results a')]";
  await until(async () => Number(await page.evaluate(`${links}.length`)) > 0);
  return (await page.evaluate(`${links}.map(a => ({ title: a.innerText.trim(), url: a.href }))`)) as [];
}

async function findsKickOut(start: string): Promise<void> {
  const page = await chromium.newPage(DESKTOP_PX, HEIGHT_PX);
  await page.goTo(`${start}index.html`);
  const found = await search(page, 'kickOut');
  const guide = found.findIndex(({ url }) => url.endsWith('/guides/retry-and-kick-out.html'));
  assert.ok(guide >= 0, JSON.stringify(found));
  assert.ok(
    found.some(({ title }) => title.includes('TaskQueueOptions')),
    JSON.stringify(found),
  );
  await page.loads(async () => {
    for (let at = 0; at <= guide; at += 1) await page.press('ArrowDown');
    await page.press('Enter');
  });
  assert.match(String(await page.evaluate("document.querySelector('h1').innerText")), /kick-out/i);
  assert.deepEqual(page.errors, []);
  assert.deepEqual(
    page.requests.filter(url => !url.startsWith(start)),
    [],
  );
}

test('the search of a site on a plain server finds a guide beside the API', async () => {
  await using server = await serve();
  await findsKickOut(server.url);
});

test('the search works from the file system, without a server', async () => {
  await findsKickOut(pathToFileURL(`${site}/`).href);
});

test('words with a hyphen are found', async () => {
  const page = await chromium.newPage(DESKTOP_PX, HEIGHT_PX);
  await page.goTo(pathToFileURL(join(site, 'index.html')).href);
  const found = await search(page, 'kick-out');
  assert.ok(found.some(({ url }) => url.endsWith('/guides/retry-and-kick-out.html')));
});

/** Run in a page of the site: opens each address in a frame as wide as a phone. Returns those that are wider. */
const FIND_WIDE = `async (urls, width) => {
  const wide = [];
  const measure = async () => {
    const frame = document.body.appendChild(document.createElement('iframe'));
    frame.style.cssText = 'width: ' + width + 'px; height: 800px; border: 0';
    for (let url = urls.shift(); url !== undefined; url = urls.shift()) {
      await new Promise(resolve => {
        frame.onload = resolve;
        frame.src = url;
      });
      const { body, documentElement } = frame.contentDocument;
      // Hidden until its theme is set, which this does not wait for.
      body.style.removeProperty('display');
      if (documentElement.scrollWidth > width) wide.push(url + ' is ' + documentElement.scrollWidth + ' px wide');
    }
    frame.remove();
  };
  await Promise.all([measure(), measure(), measure(), measure()]);
  return wide;
}`;

test('no page scrolls sideways on a phone, and none has an error', async () => {
  await using server = await serve();
  const page = await chromium.newPage(DESKTOP_PX, HEIGHT_PX);
  await page.goTo(`${server.url}index.html`);
  const files = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter(path => path.endsWith('.html'));
  assert.ok(files.length > 100);
  const urls = JSON.stringify(files.map(file => server.url + file));
  assert.deepEqual(await page.evaluate(`(${FIND_WIDE})(${urls}, ${String(PHONE_PX)})`), []);
  assert.deepEqual(page.errors, []);
});
