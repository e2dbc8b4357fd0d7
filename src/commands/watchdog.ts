import { Flags } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';

export default class Watchdog extends NerveCommand {
  static override description =
    'Look for up to 90 s whether Nerve is alive, and open every gate of the cluster if it is not. The chart runs it each minute.';
  static override hidden = true;
  static override flags = {
    uninstall: Flags.string({ options: ['before', 'after'], description: 'open every gate at once, around "helm uninstall"; never fails' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Watchdog);
    const { runUninstallHook, runWatchdogPod } = await import('../wire-fail-safe.ts');
    if (flags.uninstall !== undefined) return runUninstallHook(flags.uninstall === 'before');
    const { untilStopped } = await import('../terminal/until-stopped.ts');
    const found = await runWatchdogPod(untilStopped());
    this.log(`${found.found}: ${found.opened} gates opened, ${found.left} left`);
    return found;
  }
}
