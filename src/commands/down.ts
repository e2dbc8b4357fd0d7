import { NerveError } from '../engine/errors.ts';
import { NerveCommand } from '../terminal/command.ts';
import { withSession } from '../terminal/with-session.ts';

const PATIENCE_MS = 40_000;

export default class Down extends NerveCommand {
  static override description = 'End a running "nerve up": running jobs are checkpointed, held ones stay held.';
  static override examples = ['<%= config.bin %> down'];

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Down);
    const { upPid } = await import('../wire.ts');
    return withSession(flags, async ({ cloud, paths, label, clock }) => {
      await cloud.shutDown({});
      const untilMs = performance.now() + PATIENCE_MS;
      while (upPid(paths) !== null) {
        if (performance.now() > untilMs)
          throw new NerveError('retryable', '"nerve up" is still stopping.', { hint: 'Wait for it, or look at its output.' });
        await clock.sleep(100);
      }
      this.log(`${label}\nStopped. Running jobs were checkpointed; "nerve up" goes on with them.`);
      return { target: 'local', stopped: true };
    });
  }
}
