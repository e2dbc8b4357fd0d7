import { Flags } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';

export default class Agent extends NerveCommand {
  static override description = 'Run one node\'s agent: interruption notice to checkpoint hook, cordon, progress. "nerve up" starts one per node.';
  static override enableJsonFlag = false;
  static override flags = {
    node: Flags.string({ required: true, description: 'name of the node' }),
    imds: Flags.string({ required: true, description: "the node's instance metadata endpoint" }),
    'follow-stdin': Flags.boolean({ hidden: true, description: 'end when stdin closes' }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Agent);
    const { runLocalAgent, where } = await import('../wire.ts');
    const { untilStopped } = await import('../terminal/until-stopped.ts');
    await runLocalAgent(where(flags), flags.node, flags.imds, untilStopped(flags['follow-stdin']));
    process.exit(0);
  }
}
