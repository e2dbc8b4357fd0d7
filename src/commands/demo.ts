import { Flags } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';

export default class Demo extends NerveCommand {
  static override description =
    'Watch the whole promise come true in about a minute: a real training run is held for a cheap window, interrupted, checkpointed, resumed in another zone, and accounted for.';
  static override examples = ['<%= config.bin %> demo', '<%= config.bin %> demo --seed 7', '<%= config.bin %> demo --json'];
  static override flags = {
    seed: Flags.string({ default: 'nerve', description: 'seed of the simulated market; "drought": spot goes away for good' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Demo);
    const { runDemo } = await import('../demo/run.ts');
    const { Interrupted } = await import('../demo/trainer.ts');
    const { createScreen } = await import('../demo/screen.ts');
    const { closing } = await import('../demo/closing.ts');
    const { untilStopped } = await import('../terminal/until-stopped.ts');
    const { colourFor } = await import('../terminal/colour.ts');
    const chalk = colourFor(process.stdout);
    const paint = { plain: (t: string) => t, good: chalk.green, warn: chalk.yellow, quiet: chalk.dim };
    const stream = this.jsonEnabled() ? null : process.stdout;
    const screen = createScreen(stream);
    screen.tell('Real here: the training processes, the interruption notice, the checkpoints, Redis, worker and agents.');
    screen.tell('Simulated: prices, capacity and grid carbon of a cloud region; and the clock runs 600 times as fast.\n');
    try {
      const result = await runDemo({ seed: flags.seed, screen, paint: (mark, text) => paint[mark](text), signal: untilStopped() });
      this.log(`\n${closing(result, (text) => chalk.bold(text)).join('\n')}`);
      if (result.finalHash === null || result.finalHash !== result.uninterruptedHash) process.exitCode = 1;
      return result;
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      this.say('\nStopped; everything the demo started is gone again.');
      return this.exit(130);
    }
  }
}
