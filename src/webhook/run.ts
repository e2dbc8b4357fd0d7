// The webhook process: certificate, server, and the two things it must know of the cluster (the worker's beat, attempts that have not
// ended), both kept in memory by loops of their own.

import type { Clock, Log, Predecessors, WorkerBeats } from '../ports.ts';
import { followCertificate, readCertificate } from './certificate.ts';
import type { Installation } from './context.ts';
import { mutate } from './mutate.ts';
import { pulseReader } from './pulse.ts';
import { startServer } from './server.ts';

const BEAT_EVERY_MS = 5000;
const CERTIFICATE_EVERY_MS = 10_000;
/** Endpoints are told of a stopping pod within seconds; until then requests still come. */
const DRAIN_MS = 5000;

export interface WebhookPorts {
  readonly beats: WorkerBeats;
  readonly predecessors: Predecessors;
  readonly newToken: () => string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface WebhookSettings {
  readonly installation: Installation;
  /** Null: every address. */
  readonly host: string | null;
  readonly port: number;
  readonly tlsDir: string;
}

/** Serves until aborted. `ready` is told the port. */
export async function runWebhook(ports: WebhookPorts, settings: WebhookSettings, signal: AbortSignal, ready: (port: number) => void): Promise<void> {
  const { beats, predecessors, newToken, clock, log } = ports;
  const { installation, tlsDir } = settings;
  const certificate = await readCertificate(tlsDir);
  const pulse = pulseReader(beats, clock, log);
  const server = await startServer({
    host: settings.host,
    port: settings.port,
    certificate,
    clock,
    log,
    answer: (review) =>
      mutate(review, {
        installation,
        newToken,
        predecessors,
        nowMs: clock.realNowMs(),
        away: pulse.away(),
      }),
  });
  log.info({ port: server.port, version: installation.version }, 'webhook serves');
  ready(server.port);
  await Promise.all([
    pulse.run(BEAT_EVERY_MS, signal),
    followCertificate(certificate, { folder: tlsDir, everyRealMs: CERTIFICATE_EVERY_MS, clock, log }, (to) => server.useCertificate(to), signal),
  ]);
  await server.stop(DRAIN_MS);
}
