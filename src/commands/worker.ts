import { Flags } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';

export default class Worker extends NerveCommand {
  static override description = 'Run the worker: it watches the queue and the market and decides. "nerve up" starts one.';
  static override enableJsonFlag = false;
  static override flags = { 'follow-stdin': Flags.boolean({ hidden: true, description: 'end when stdin closes' }) };

  async run(): Promise<void> {
    const { flags } = await this.parse(Worker);
    const { runLocalWorker, where } = await import('../wire.ts');
    const { untilStopped } = await import('../terminal/until-stopped.ts');
    await runLocalWorker(where(flags), untilStopped(flags['follow-stdin']));
    process.exit(0);
  }
}
