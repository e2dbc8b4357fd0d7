import { Flags } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';

export default class Doctor extends NerveCommand {
  static override description =
    'Look at everything that can be in the way of a job, with your own rights, and say how to mend it. Exits with 1 if something has to be mended. In a cluster also the jobs of the namespace, or the one in --file.';
  static override examples = [
    '<%= config.bin %> doctor',
    '<%= config.bin %> doctor --context eks -n team-a --file job.yaml --checkpoint-uri s3://bucket/train',
  ];
  static override flags = {
    file: Flags.string({ char: 'f', description: 'in a cluster: a job that is to be submitted' }),
    'checkpoint-uri': Flags.string({ description: 'in a cluster: try a conditional write and a read there, with your credentials' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Doctor);
    const { examineCluster, examineHere, findingLines } = await import('../terminal/run-doctor.ts');
    const { isUp, where } = await import('../wire.ts');
    const { clusterNamed, openCluster } = await import('../wire-user.ts');
    const at = where(flags);
    const inCluster = at.config.target === 'cluster' || (at.config.target === null && !isUp(at.paths) && clusterNamed());
    const session = inCluster ? openCluster(at) : null;
    const label = session?.label ?? 'this machine';
    const findings = session === null ? await examineHere(at) : await examineCluster(session, flags);
    this.log([label, ...findingLines(findings)].join('\n'));
    if (findings.some(({ status }) => status === 'fail')) process.exitCode = 1;
    return { target: session === null ? 'local' : 'cluster', findings };
  }
}
