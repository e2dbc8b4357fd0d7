import { commandArg, splitCommand } from '../terminal/command-words.ts';
import { NerveCommand } from '../terminal/command.ts';
import { clusterFlags, jobFlags } from '../terminal/submit-flags.ts';
import type { Talk } from '../terminal/prepare.ts';

export default class Submit extends NerveCommand {
  static override description =
    'Queue a command with a deadline. It runs when it is cheapest (or greenest), survives interruptions, and is not late.';
  static override examples = [
    '<%= config.bin %> submit --deadline "tomorrow 8am" --duration 3h -- python train.py --epochs 10',
    '<%= config.bin %> submit -d +6h --optimize carbon -- ./render.sh',
    '<%= config.bin %> submit --file job.yaml --json',
    '<%= config.bin %> submit --context eks --image ghcr.io/me/train:1 --gpus 1:l4 -d +8h --duration 3h -- python train.py',
    'kubectl nerve submit -f job.yaml --deadline "friday 18:00" --duration 6h',
  ];
  static override strict = false;
  static override args = commandArg('the command, after --');
  static override flags = { ...jobFlags, ...clusterFlags };

  async run(): Promise<unknown> {
    const {
      parsed: { flags },
      command,
    } = await splitCommand(this.argv, (own) => this.parse(Submit, own));
    const { withTarget } = await import('../terminal/with-target.ts');
    const talk: Talk = {
      say: (text) => this.say(text),
      log: (text) => this.log(text),
      ask: process.stdin.isTTY === true && !this.jsonEnabled() ? question : null,
    };
    return withTarget<unknown>(
      flags,
      {
        local: async (session) => (await import('../terminal/submit-local.ts')).submitHere(session, flags, command, talk),
        cluster: async (session) => (await import('../terminal/submit-cluster.ts')).submitToCluster(session, flags, command, talk),
      },
      // The submit itself finds out whether Nerve answers.
      false,
    );
  }
}

async function question(text: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(text);
  } finally {
    terminal.close();
  }
}
