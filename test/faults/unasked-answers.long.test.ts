/** Fault 17: an agent that answers what it was not asked. */
import { serialize } from 'node:v8';
import { leakCheck } from '../support/leak-check.js';
import { fault } from './fault.js';
import { lieOnThisMachine, lieOverSsh, SEES_LIE } from './lie.js';
import { answer } from './lying-utility.js';

leakCheck();

const ROW = {
  row: 17,
  within: 'at once',
  withinMs: 2000,
  sees: `\`protocol\`, ${SEES_LIE}; no other drone gets the answer`,
};

const LIES = [
  {
    fault: 'an answer to a later call',
    vice: 'other-call',
    says: /an answer to call 1 of batch \d+, which awaits none/,
  },
  {
    fault: 'an answer to a call that was never sent',
    vice: 'no-call',
    says: /an answer to call 1000 of batch \d+, which/,
  },
  {
    fault: 'an answer to a batch that was never sent',
    vice: 'no-batch',
    says: /an answer to call 0 of batch 10000\d\d, which/,
  },
  {
    fault: "an answer to another drone's call",
    vice: 'other-drone',
    says: /an answer to call 0 of batch \d+, which awaits none/,
  },
  {
    fault: 'an answer that is sent twice',
    vice: 'twice',
    says: /an answer to call 0 of batch \d+, which awaits none/,
    believed: 1,
  },
] as const;

for (const { fault: name, vice, ...told } of LIES) {
  const injected = 'a program that acts as the agent until it gets a call';
  fault({ ...ROW, fault: name, injected }, watch => lieOverSsh(vice, watch, { kind: 'protocol', ...told }));
}

/** No queue of these tests gets that far. */
const UNKNOWN_BATCH = 1_000_000;

fault(
  {
    ...ROW,
    fault: 'an answer to a batch that was never sent, on this machine',
    injected: "a utility method that writes to the agent's stdout",
  },
  watch =>
    lieOnThisMachine(answer(UNKNOWN_BATCH, 0, serialize('forged')), watch, {
      kind: 'protocol',
      says: /an answer to call 0 of batch 1000000, which awaits none/,
    }),
);
