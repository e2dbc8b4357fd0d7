// The hooks around `helm uninstall`. Before it: Nerve is marked as draining, so that the webhooks stop gating, and every gate is opened. After
// it: what slipped through in between. Bounded, and whatever goes wrong is logged and not thrown: an uninstall must not fail.

import { afterReading, NO_PULSE } from '../engine/pod/beat.ts';
import type { Clock, Gates, Log, WorkerBeats } from '../ports.ts';
import { type Opened, openGates } from './open-gates.ts';

/** Every webhook has seen the mark by then: it looks every 5 s. */
const SEEN_MS = 8000;
const LIMIT_MS = 90_000;
/** How long after the first list it still looks for what was admitted a moment before. */
const LINGER_MS = 5000;

export interface UninstallPorts {
  readonly beats: WorkerBeats;
  readonly gates: Gates;
  readonly clock: Clock;
  readonly log: Log;
}

export async function releaseAll(ports: UninstallPorts, { drain }: { readonly drain: boolean }): Promise<Opened & { readonly marked: boolean }> {
  const { beats, gates, clock, log } = ports;
  const limitRealMs = clock.realNowMs() + LIMIT_MS;
  const marked = drain && (await mark(beats, log));
  const first = await openGates({ gates, clock, log, untilRealMs: limitRealMs });
  // A pod may have been admitted before the mark was seen and be stored after the list was made.
  await clock.sleep(marked ? SEEN_MS : LINGER_MS);
  const rest = await openGates({ gates, clock, log, untilRealMs: limitRealMs });
  const answer = { opened: first.opened + rest.opened, left: rest.left, marked };
  log.info(answer, 'gates opened');
  return answer;
}

async function mark(beats: WorkerBeats, log: Log): Promise<boolean> {
  try {
    await beats.markDraining();
    return afterReading(NO_PULSE, { atMs: 0, pods: await beats.read() }).dead;
  } catch (error) {
    log.warn({ err: error }, 'Nerve could not be marked as draining; pods that come now are opened after the uninstall');
    return false;
  }
}
