import { Flags } from '@oclif/core';
import { type ErrorKind, NerveError } from '../engine/errors.ts';
import { NerveCommand } from '../terminal/command.ts';
import { count } from '../terminal/figures.ts';
import { stoppedWords } from '../terminal/stopped-words.ts';

const DETACH_TIMEOUT_MS = 30_000;

export default class Up extends NerveCommand {
  static override description =
    'Start Nerve on this machine: Redis, worker, agents, and a simulated cloud with three zones. Stays in the foreground; Ctrl-C asks running jobs for a checkpoint and leaves held ones held.';
  static override examples = ['<%= config.bin %> up', '<%= config.bin %> up --detach', '<%= config.bin %> up --speed 600 --seed paris'];
  static override flags = {
    detach: Flags.boolean({ description: 'go to the background once it answers' }),
    speed: Flags.custom<number>({ parse: async (text) => speedOf(text) })({
      description: 'virtual seconds per real second: prices, deadlines and bills run on that clock',
      default: 1,
    }),
    seed: Flags.string({ description: 'seed of the simulated market', default: 'nerve' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Up);
    const { countJobs, startUp, tidy, where } = await import('../wire.ts');
    const at = where(flags);
    if (flags.detach) return this.detach(flags);
    const { createFileLog } = await import('../wire.ts');
    const { aborted, untilStopped } = await import('../terminal/until-stopped.ts');
    const stop = untilStopped();
    const { config, paths } = at;
    const cluster = await startUp({
      config,
      paths,
      speed: flags.speed,
      seed: flags.seed,
      virtualStartMs: null,
      log: createFileLog(paths),
    });
    await tidy(cluster, at);
    const jobs = await countJobs(cluster, at);
    this.log(`this machine (simulated market: prices, availability, grid carbon)${flags.speed === 1 ? '' : `, clock x${flags.speed}`}`);
    if (cluster.endedLeftovers > 0)
      this.log(
        `A killed "nerve up" had left ${count(cluster.endedLeftovers, 'process', 'processes')} behind. Ended; the jobs go on from their newest checkpoints.`,
      );
    this.log(
      `Nerve is up. ${jobs === 0 ? 'No jobs yet.' : `${count(jobs, 'live job')} ${jobs === 1 ? 'goes' : 'go'} on.`} Submit with: nerve submit --deadline +6h --duration 2h -- python train.py`,
    );
    this.log('Ctrl-C ends it: running jobs are asked for a checkpoint, held ones stay held.');
    await Promise.race([aborted(stop), cluster.shutDownAsked]);
    const running = Object.values(cluster.cloud.state().attempts).some((a) => a.seen.endedAtMs === null && a.seen.placedAtMs !== null);
    this.log(running ? 'Stopping: asking running jobs for a checkpoint ...' : 'Stopping ...');
    const live = await countJobs(cluster, at).catch(() => null);
    this.log(stoppedWords(await cluster.stop(), live));
    process.exit(0);
  }

  /** The child says in JSON why it does not start. Another "nerve up" that starts at this moment is not taken for it. */
  private async detach(flags: { readonly speed: number; readonly seed: string }): Promise<unknown> {
    const { upPid, where } = await import('../wire.ts');
    const { paths } = where();
    const command = [...process.execArgv, process.argv[1] ?? '', 'up', '--json', '--speed', String(flags.speed), '--seed', flags.seed];
    const { spawn } = await import('node:child_process');
    const child = spawn(process.execPath, command, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    let complained = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (complained += chunk.toString()));
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const untilMs = performance.now() + DETACH_TIMEOUT_MS;
    while (upPid(paths) !== child.pid) {
      if (child.exitCode !== null) {
        await ended;
        throw whyNot(said, complained);
      }
      if (performance.now() > untilMs) {
        child.kill('SIGTERM');
        throw new NerveError('fatal', `"nerve up" does not answer after ${DETACH_TIMEOUT_MS / 1000} s. ${complained.trim()}`.trim(), {
          hint: 'Run it without --detach to see why.',
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    child.stdout.destroy();
    child.stderr.destroy();
    child.unref();
    this.log(`this machine (simulated market)\nNerve is up (pid ${child.pid ?? 0}); end it with: nerve down`);
    return { target: 'local', pid: child.pid ?? null };
  }
}

function whyNot(said: string, complained: string): NerveError {
  try {
    const { kind, message, hint } = (JSON.parse(said) as { error: { kind: ErrorKind; message: string; hint: string | null } }).error;
    return new NerveError(kind, message, hint === null ? {} : { hint });
  } catch {
    return new NerveError('fatal', `"nerve up" did not start. ${complained.trim()}`.trim(), { hint: 'Run it without --detach to see why.' });
  }
}

function speedOf(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 1 || value > 3600) throw new NerveError('usage', `--speed must be between 1 and 3600, not "${text}".`);
  return value;
}
