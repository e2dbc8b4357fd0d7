import { NerveError } from '../engine/errors.ts';
import { NerveCommand } from '../terminal/command.ts';
import { heldOf, stoppedWords } from '../terminal/stopped-words.ts';
import { withSession } from '../terminal/with-session.ts';

const PATIENCE_MS = 40_000;

export default class Down extends NerveCommand {
  static override description =
    'End a running "nerve up": running jobs are asked for a checkpoint and go on with the next "nerve up" (without one they begin again), held ones stay held.';
  static override examples = ['<%= config.bin %> down'];

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Down);
    const { lastTakenDown, upPid } = await import('../wire.ts');
    return withSession(flags, async ({ cloud, paths, label, clock, queue }) => {
      const live = await queue.records.live().then(
        (jobs) => jobs.length,
        () => null,
      );
      await cloud.shutDown({});
      const untilMs = performance.now() + PATIENCE_MS;
      while (upPid(paths) !== null) {
        if (performance.now() > untilMs)
          throw new NerveError('retryable', '"nerve up" is still stopping.', { hint: 'Wait for it, or look at its output.' });
        await clock.sleep(100);
      }
      const down = await lastTakenDown(paths);
      this.log(`${label}\n${down === null ? 'Stopped.' : stoppedWords(down, live)}`);
      return { target: 'local', stopped: true, ...down, held: down === null ? null : heldOf(down, live) };
    });
  }
}
