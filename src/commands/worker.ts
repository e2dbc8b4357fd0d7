import { Flags } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';

export default class Worker extends NerveCommand {
  static override description =
    'Run the worker: it watches the queue and the market and decides. "nerve up" starts one on this machine, the chart in a cluster (NERVE_TARGET=cluster).';
  static override enableJsonFlag = false;
  static override flags = { 'follow-stdin': Flags.boolean({ hidden: true, description: 'end when stdin closes' }) };

  async run(): Promise<void> {
    const { flags } = await this.parse(Worker);
    const { runLocalWorker, where } = await import('../wire.ts');
    const { untilStopped } = await import('../terminal/until-stopped.ts');
    const stopped = untilStopped(flags['follow-stdin']);
    const at = where(flags);
    if (at.config.target === 'cluster') await (await import('../wire-cluster.ts')).runClusterWorker(at.config, this.config.version, stopped);
    else await runLocalWorker(at, stopped);
    process.exit(0);
  }
}
