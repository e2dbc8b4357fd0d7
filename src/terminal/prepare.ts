// What `submit` and `quote` share: flags and file become a spec; a missing duration is learnt from finished runs, asked for
// on a terminal, refused in a pipe.

import { NerveError } from '../engine/errors.ts';
import type { JobSpec } from '../engine/job.ts';
import { type JobFile, readJobFile } from '../intake/job-file.ts';
import { buildSpec, jobName, type SubmitFlags } from '../intake/spec.ts';
import { checkPlaces, newJobId } from '../intake/submit.ts';
import type { Session } from '../wire.ts';
import { count } from './figures.ts';
import { localZone, parseDeadline, parseLength, span, written } from './when.ts';

export interface Prepared {
  readonly spec: JobSpec;
  readonly zone: string;
  /** What was understood, in one line. */
  readonly understood: string;
}

/** `say` is stderr, `log` is stdout. */
export interface Talk {
  readonly say: (text: string) => void;
  readonly log: (text: string) => void;
  readonly ask: Ask;
}

/** Stands for the command of a quote that has none; nobody is shown it. */
const UNSAID: readonly string[] = ['true'];

export type Ask = ((text: string) => Promise<string>) | null;

/** `argv` null: a quote, which needs no command. */
export async function prepareSpec(
  session: Session,
  flags: SubmitFlags & { file?: string | undefined; 'time-zone'?: string | undefined },
  argv: readonly string[] | null,
  ask: Ask,
): Promise<Prepared> {
  const file: JobFile = flags.file === undefined ? {} : readJobFile(flags.file);
  const given = argv !== null && argv.length > 0 ? argv : file.command;
  if (given === undefined && argv !== null)
    throw new NerveError('usage', 'There is no command to run.', {
      hint: 'Write it after two dashes: nerve submit --deadline +6h -- python train.py',
    });
  const command = given ?? UNSAID;
  const { clock, config, market, paths } = session;
  const zone = flags['time-zone'] ?? file['time-zone'] ?? config.job.timeZone ?? localZone();
  const deadline =
    flags.deadline ??
    file.deadline ??
    (await answer(ask, 'When must it be done (for example "tomorrow 8am")? ', '--deadline is missing.', 'Add it: --deadline "tomorrow 8am"'));
  const nowMs = clock.nowMs();
  const deadlineMs = parseDeadline(deadline, nowMs, zone);
  const name = given === undefined ? (flags.name ?? file.name ?? null) : jobName(flags, file, command);
  const work = await workOf(session, { duration: flags.duration ?? file.duration, profile: flags.profile ?? file.profile }, name, ask);
  const id = newJobId();
  const spec = buildSpec({
    id,
    flags,
    file,
    config,
    command,
    cwd: process.cwd(),
    nowMs,
    deadlineMs,
    work,
    defaultCheckpointDir: paths.checkpointDir(id),
  });
  checkPlaces(spec, await market.view());
  if (work.source === 'profile') {
    const until = `deadline ${written(deadlineMs, zone)}, in ${span(deadlineMs - nowMs)}`;
    return { spec, zone, understood: `${until}; it runs at once, for ${span(work.ms)} at most, to learn how long it takes` };
  }
  const source = work.source === 'user' ? '' : ` (the median of ${count(work.runs, 'finished run')} of "${name ?? ''}")`;
  return {
    spec,
    zone,
    understood: `deadline ${written(deadlineMs, zone)}, in ${span(deadlineMs - nowMs)}; about ${span(work.ms)} of work${source}`,
  };
}

async function workOf(
  session: Session,
  { duration: text, profile }: { readonly duration: string | undefined; readonly profile: string | undefined },
  name: string | null,
  ask: Ask,
): Promise<{ ms: number; source: JobSpec['workSource']; runs: number }> {
  if (text !== undefined) return { ms: parseLength(text, 'duration'), source: 'user', runs: 0 };
  const known = name === null ? null : await session.queue.records.medianDurationMs(name);
  if (known !== null) return { ms: known.medianMs, source: 'median-of-finished', runs: known.runs };
  if (profile !== undefined) return { ms: parseLength(profile, 'profile'), source: 'profile', runs: 0 };
  const typed = await answer(
    ask,
    'How long does one undisturbed run take (for example 2h30m)? ',
    name === null
      ? '--duration is missing, and without a command or a --name there are no finished runs to learn it from.'
      : `--duration is missing, and no run of "${name}" has finished yet to learn from.`,
    'Add it (--duration 2h30m), or let it run at once to find out: --profile 10m',
  );
  return { ms: parseLength(typed, 'duration'), source: 'user', runs: 0 };
}

async function answer(ask: Ask, question: string, missing: string, hint: string): Promise<string> {
  if (ask === null) throw new NerveError('usage', missing, { hint });
  return ask(question);
}
