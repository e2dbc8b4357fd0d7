import { Flags } from '@oclif/core';
import { EC2_METADATA, noNode } from '../config/in-cluster.ts';
import { NerveCommand } from '../terminal/command.ts';

export default class Agent extends NerveCommand {
  static override description =
    'Run one node\'s agent: interruption notice to checkpoint hook, cordon, progress. "nerve up" starts one per node, the chart in a cluster.';
  static override enableJsonFlag = false;
  static override flags = {
    node: Flags.string({ multiple: true, description: 'name of the node; in a cluster, by default, the one that this pod is on' }),
    imds: Flags.string({
      default: EC2_METADATA,
      env: 'AWS_EC2_METADATA_SERVICE_ENDPOINT',
      description: "the node's instance metadata endpoint; {node} in it stands for the node's name",
    }),
    'follow-stdin': Flags.boolean({ hidden: true, description: 'end when stdin closes' }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Agent);
    const { runLocalAgent, where } = await import('../wire.ts');
    const { untilStopped } = await import('../terminal/until-stopped.ts');
    const stopped = untilStopped(flags['follow-stdin']);
    const at = where(flags);
    if (at.config.target === 'cluster') {
      await (await import('../wire-agent.ts')).runClusterAgents(flags.node ?? null, flags.imds, stopped);
    } else {
      await runLocalAgent(at, flags.node?.[0] ?? noNode(), flags.imds, stopped);
    }
    process.exit(0);
  }
}
