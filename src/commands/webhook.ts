import { NerveCommand } from '../terminal/command.ts';

export default class Webhook extends NerveCommand {
  static override description = 'Serve the admission webhook of a cluster: it adopts labelled pods and never refuses one. The chart starts it.';
  static override hidden = true;
  static override enableJsonFlag = false;

  async run(): Promise<void> {
    const { flags } = await this.parse(Webhook);
    const [{ runWebhookPod }, { where }, { untilStopped }] = await Promise.all([
      import('../wire-fail-safe.ts'),
      import('../wire.ts'),
      import('../terminal/until-stopped.ts'),
    ]);
    await runWebhookPod(where(flags).config, this.config.version, untilStopped());
    process.exit(0);
  }
}
