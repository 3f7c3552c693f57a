/** At random: whatever fails and when, no command starts twice, and of each the manager knows in the end what became of it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { PidfileId } from 'drone-task-queue/scheduler';
import { leakCheck } from '../../support/leak-check.js';
import { farmOf, Host, inFolder } from './hosts.js';

leakCheck();

const step = fc.oneof(
  fc.record({ do: fc.constant('order' as const) }),
  fc.record({ do: fc.constant('actions' as const) }),
  fc.record({ do: fc.constant('refresh' as const) }),
  fc.record({ do: fc.constant('trigger' as const) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1000, 130_000) }),
  fc.record({
    do: fc.constant('fault' as const),
    host: fc.nat(1),
    fault: fc.constantFrom('refuse', 'die', 'garbage', undefined),
  }),
  fc.record({ do: fc.constant('break' as const), host: fc.nat(1) }),
  fc.record({ do: fc.constant('finish' as const), at: fc.nat() }),
  fc.record({ do: fc.constant('withdraw' as const), at: fc.nat() }),
);

test('whatever fails, each command starts at most once and its end is known', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async steps => {
      const hosts = [new Host('one', 3), new Host('two', 3)] as const;
      await using farm = await farmOf(hosts);
      const { clock, manager } = farm;
      const hostOf = ({ hostname }: PidfileId): Host => (hostname === 'one' ? hosts[0] : hosts[1]);
      const startsOf = ({ hostname, path }: PidfileId): number =>
        hostOf({ hostname, path }).started.filter(({ pidfile }) => pidfile === path).length;
      const watched = new Map<string, PidfileId>();
      const withdrawn: PidfileId[] = [];
      const failed: PidfileId[] = [];
      let ordered = 0;
      const act = async (): Promise<void> => {
        for (const { id } of (await manager.executeActions()).failedToStart) {
          watched.delete(id.path);
          failed.push(id);
        }
      };
      for (const each of steps) {
        const ids = [...watched.values()];
        const chosen = 'at' in each ? ids[each.at % Math.max(1, ids.length)] : undefined;
        const host = hosts['host' in each && each.host === 1 ? 1 : 0];
        switch (each.do) {
          case 'order': {
            if (!manager.chooseDrone(1)) break;
            const id = manager.executeCommand(['job'], inFolder(`/results/${String(++ordered)}`));
            watched.set(id.path, id);
            break;
          }
          case 'actions':
            await act();
            break;
          case 'refresh':
            await manager.refresh();
            break;
          case 'trigger':
            await manager.triggerRefresh();
            break;
          case 'wait':
            await clock.advance(each.ms);
            break;
          case 'fault':
            if (each.fault === undefined) host.drone.behave();
            else host.drone.misbehave(each.fault);
            break;
          case 'break':
            if (!host.broken.delete('executeCommand')) host.broken.set('executeCommand', new Error('broken'));
            break;
          case 'finish':
            if (chosen && manager.pidfileState(chosen)?.kind === 'running') hostOf(chosen).finish(chosen.path, 0);
            break;
          case 'withdraw':
            if (chosen && manager.unregisterPidfile(chosen)) withdrawn.push(chosen);
            if (chosen) watched.delete(chosen.path);
            break;
        }
      }

      for (const host of hosts) {
        host.drone.behave();
        host.broken.clear();
      }
      await manager.refresh();
      await act();
      await clock.advance(130_000);
      await manager.refresh();
      for (const id of [...withdrawn, ...failed]) assert.equal(startsOf(id), 0, `${id.path} was never to start`);
      for (const id of watched.values()) {
        const kind = manager.pidfileState(id)?.kind;
        assert.ok(kind === 'running' || kind === 'finished' || kind === 'not-started', `${id.path} is ${String(kind)}`);
        assert.equal(startsOf(id), kind === 'not-started' ? 0 : 1, `${id.path} is ${kind}`);
      }
      for (const { drone } of hosts) {
        const running = [...watched.values()].filter(
          id => id.hostname === drone.hostname && manager.pidfileState(id)?.kind === 'running',
        );
        assert.equal(drone.activeProcesses, running.length);
      }
    }),
    { numRuns: 15 },
  );
});
