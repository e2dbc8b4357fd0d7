import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { WorkerBeat } from '../../src/engine/pod/beat.ts';
import type { Clock } from '../../src/ports.ts';
import { followCertificate, readCertificate } from '../../src/webhook/certificate.ts';
import { mutate } from '../../src/webhook/mutate.ts';
import { runWebhook } from '../../src/webhook/run.ts';
import { startServer, type WebhookServer } from '../../src/webhook/server.ts';
import { quiet, wallClock } from '../support/clock.ts';
import { selfSigned, writeCertificate } from '../support/webhook/certificate.ts';
import { reviewClient } from '../support/webhook/client.ts';
import { contextWith } from '../support/webhook/context.ts';
import { podKinds, podOfKind, podReview } from '../support/webhook/reviews.ts';

const certificate = selfSigned('first');
let folder: string;
let server: WebhookServer | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nerve-tls-'));
});

afterEach(async () => {
  await server?.stop(0);
  server = null;
  rmSync(folder, { recursive: true });
});

async function serving(answer: (review: unknown) => ReturnType<typeof mutate> = (review) => mutate(review, contextWith())) {
  server = await startServer({ host: '127.0.0.1', port: 0, certificate, answer, clock: wallClock, log: quiet });
  return { server, client: reviewClient(server.port, certificate.cert) };
}

describe('the TLS server', () => {
  it('answers every kind of review as the pure part does, over TLS', async () => {
    const { client } = await serving();
    for (const kind of podKinds) {
      const { status, body } = await client.post('/mutate/pods?timeout=2s', JSON.stringify(podReview(podOfKind(kind), { uid: `uid of ${kind}` })));
      expect(status).toBe(200);
      const review = JSON.parse(body) as { apiVersion: string; response: { uid: string; allowed: boolean; patch?: string; patchType?: string } };
      expect(review).toMatchObject({ apiVersion: 'admission.k8s.io/v1', response: { uid: `uid of ${kind}`, allowed: true } });
      // The API server refuses one without the other.
      expect(review.response.patch === undefined).toBe(review.response.patchType === undefined);
      const patch: unknown = JSON.parse(Buffer.from(review.response.patch ?? 'W10=', 'base64').toString());
      expect(patch).toEqual(mutate(podReview(podOfKind(kind), { uid: `uid of ${kind}` }), contextWith()).patch);
    }
    client.close();
  });

  it('says yes to what is no review, to no JSON, and where it fails itself', async () => {
    const { client } = await serving((review) => {
      if ((review as { request?: unknown } | null)?.request === 'defect') throw new Error('defect');
      return mutate(review, contextWith());
    });
    for (const body of ['', '{', 'null', '[]', '{"request":{"uid":"u"}}', '{"request":"defect"}']) {
      const reply = await client.post('/mutate/pods', body);
      const { allowed } = (JSON.parse(reply.body) as { response: { allowed: boolean } }).response;
      expect([body, reply.status, allowed]).toEqual([body, 200, true]);
    }
    client.close();
  });

  it('refuses a body that is larger than any object, without keeping it', async () => {
    const { client } = await serving();
    const outcome = await client.post('/mutate/pods', JSON.stringify({ padding: 'x'.repeat(7 * 1024 * 1024) })).then(
      ({ status }) => status,
      (error: NodeJS.ErrnoException) => error.code,
    );
    expect([413, 'ECONNRESET', 'EPIPE']).toContain(outcome);
    expect((await client.get('/healthz')).status).toBe(200);
    client.close();
  });

  it('knows its own paths only', async () => {
    const { client } = await serving();
    expect((await client.get('/mutate/pods')).status).toBe(405);
    expect((await client.post('/metrics', '{}')).status).toBe(404);
    client.close();
  });

  it('speaks no TLS older than 1.2, and survives those who try', async () => {
    const { server: running, client } = await serving();
    const refused = await new Promise<unknown>((resolve) => {
      const socket = connect({
        port: running.port,
        host: '127.0.0.1',
        ca: certificate.cert,
        minVersion: 'TLSv1.1',
        maxVersion: 'TLSv1.1',
        ciphers: 'ALL:@SECLEVEL=0',
      });
      socket.on('error', resolve).on('secureConnect', () => resolve(null));
    });
    expect(refused).toBeInstanceOf(Error);
    expect((await client.get('/healthz')).status).toBe(200);
    client.close();
  });

  it('stops with grace: health says no, what is under way is answered, then nothing listens', async () => {
    const { server: running, client } = await serving();
    const body = JSON.stringify(podReview(podOfKind('bare pod')));
    // A request whose bytes come slowly.
    const slow = Promise.withResolvers<number>();
    const sent = request(
      { port: running.port, host: '127.0.0.1', ca: certificate.cert, path: '/mutate/pods', method: 'POST', agent: false },
      (response) => {
        response.resume();
        slow.resolve(response.statusCode ?? 0);
      },
    );
    sent.on('error', slow.reject);
    await new Promise<void>((resolve) => sent.write(body.slice(0, 10), () => resolve()));
    const stopped = running.stop(300);
    server = null;
    expect((await client.get('/healthz')).status).toBe(503);
    const late = await client.post('/mutate/pods', body);
    expect([late.status, late.headers['connection']]).toEqual([200, 'close']);
    sent.end(body.slice(10));
    expect(await slow.promise).toBe(200);
    await stopped;
    await expect(client.get('/healthz')).rejects.toThrow('ECONNREFUSED');
    client.close();
  });
});

describe('the certificate', () => {
  it('is taken anew when the mounted files change, without a restart; half a pair is left for the next look', async () => {
    writeCertificate(folder, certificate);
    const { server: running } = await serving();
    const second = selfSigned('second');
    const stop = new AbortController();
    const warned = vi.fn<() => void>();
    const following = { folder, everyRealMs: 20, clock: wallClock, log: { ...quiet, warn: warned } };
    const done = followCertificate(await readCertificate(folder), following, (to) => running.useCertificate(to), stop.signal);
    const shown = async (): Promise<string> => {
      const client = reviewClient(running.port, [certificate.cert, second.cert], false);
      const { shownBy } = await client.get('/healthz');
      client.close();
      return shownBy;
    };
    expect(await shown()).toBe('first');
    writeFileSync(join(folder, 'tls.crt'), second.cert);
    await vi.waitFor(() => expect(warned).toHaveBeenCalled());
    expect(await shown()).toBe('first');
    writeFileSync(join(folder, 'tls.key'), second.key);
    await vi.waitFor(async () => expect(await shown()).toBe('second'));
    stop.abort();
    await done;
  });

  it('that cannot be used ends the start with a word about the Secret', async () => {
    await expect(readCertificate(folder)).rejects.toMatchObject({ kind: 'fatal', hint: expect.stringContaining('Secret') });
  });
});

describe('the webhook as a whole', () => {
  it('holds pods only once a beat is there, and stops within one look after 90 quiet seconds', async () => {
    writeCertificate(folder, certificate);
    let pods: readonly WorkerBeat[] = [];
    let nowMs = 0;
    // Its own loops wait for this test; the server's waits are real.
    let tick = Promise.withResolvers<void>();
    const clock: Clock = { speed: 1, nowMs: () => nowMs, realNowMs: () => nowMs, sleep: () => tick.promise };
    const stop = new AbortController();
    const port = Promise.withResolvers<number>();
    const settings = { installation: contextWith().installation, host: '127.0.0.1', port: 0, tlsDir: folder };
    const beats = { read: async () => pods, markDraining: async () => undefined };
    const ports = { beats, predecessors: { of: () => null, sibling: () => false }, newToken: () => 't', clock, log: quiet };
    const done = runWebhook(ports, settings, stop.signal, port.resolve);
    const client = reviewClient(await port.promise, certificate.cert);
    const held = async (): Promise<boolean> => {
      const { body } = await client.post('/mutate/pods', JSON.stringify(podReview(podOfKind('bare pod'))));
      const { response } = JSON.parse(body) as { response: { patch: string } };
      return Buffer.from(response.patch, 'base64').toString().includes('schedulingGates');
    };
    const look = async (): Promise<void> => {
      nowMs += 5000;
      const { resolve } = tick;
      tick = Promise.withResolvers();
      resolve();
      await new Promise((next) => setImmediate(next));
    };
    await look();
    expect(await held()).toBe(false);
    pods = [{ uid: 'w', beat: '1', draining: false }];
    await look();
    expect(await held()).toBe(true);
    for (let i = 0; i < 17; i++) await look();
    expect(await held()).toBe(true);
    await look();
    expect(await held()).toBe(false);
    pods = [{ uid: 'w', beat: '2', draining: false }];
    await look();
    expect(await held()).toBe(true);
    stop.abort();
    tick.resolve();
    await done;
    client.close();
  });
});
