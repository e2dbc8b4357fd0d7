import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { httpHooks } from '../../src/adapters/hooks/http.ts';
import type { HookTarget } from '../../src/ports.ts';
import { HOUR, NOW } from '../support/build.ts';
import { freePort } from '../../src/adapters/system/free-port.ts';
import { until } from '../support/local.ts';
import { simHooks } from '../support/sim/hooks.ts';
import { sealLog } from '../support/sim/seals.ts';
import { simTime } from '../support/sim/time.ts';
import { startTraining } from '../support/sim/training.ts';
import { type Attempt, hooksContract } from './hooks.ts';
import { notFailing } from './outage.ts';

hooksContract('memory', async (attempt) => {
  const time = simTime(NOW);
  const log = sealLog();
  if (attempt === 'waits') log.resume(1);
  let exitCode: number | null = null;
  const handover = attempt === 'waits' ? { previousAttempt: 1, waitSealedUntilMs: NOW + 100 * HOUR } : null;
  const plan = {
    attempt: 2,
    workMs: 10 * HOUR,
    checkpointMs: 400,
    everyMs: HOUR,
    loadMs: 2000,
    failsAfterMs: null,
    boundaryMs: 300,
    hookless: false,
  };
  const events = { computing: () => undefined, exited: (code: number) => void (exitCode = code) };
  const training = startTraining(time, log, { ...plan, handover }, events);
  const tick = async (): Promise<void> => {
    const next = time.nowMs() + 100;
    time.at(next, () => undefined);
    await time.run(next, () => false);
  };
  return {
    hooks: simHooks((token) => (token === 'ours' ? training : null)),
    target: { port: 2, token: 'ours' },
    realNowMs: () => time.nowMs(),
    exitCode: () => exitCode,
    sigterm: () => training.sigterm(),
    settle: async (promise) => {
      let settled = false;
      const watched = Promise.allSettled([promise]).then(() => {
        settled = true;
      });
      for (let i = 0; !settled && i < 10_000; i++) await tick();
      await watched;
      return promise;
    },
    until: async (condition, what) => {
      const endMs = time.nowMs() + HOUR;
      while (!(await condition())) {
        if (time.nowMs() > endMs) throw new Error(`it did not happen: ${what}`);
        await tick();
      }
    },
    close: async () => undefined,
  };
});

hooksContract('HTTP and the Python SDK', async (attempt: Attempt) => {
  const folder = mkdtempSync(join(tmpdir(), 'nh-'));
  const target: HookTarget = { port: await freePort(), token: 'a-token-of-this-test' };
  const waits = { NERVE_PREVIOUS_ATTEMPT: '1', NERVE_WAIT_SEALED_UNTIL: new Date(Date.now() + HOUR).toISOString() };
  const child: ChildProcess = spawn('python3', [resolve('test/support/steps.py')], {
    cwd: folder,
    stdio: 'ignore',
    env: {
      PATH: process.env['PATH'],
      NERVE_JOB_ID: 'j-hooks001',
      NERVE_ATTEMPT: '2',
      NERVE_CHECKPOINT_URI: `file://${folder}/checkpoints`,
      NERVE_CHECKPOINT_EVERY: '3600',
      NERVE_HOOK_PORT: String(target.port),
      NERVE_HOOK_TOKEN: target.token,
      ...(attempt === 'waits' ? waits : {}),
    },
  });
  return {
    hooks: httpHooks(),
    target,
    realNowMs: () => Date.now(),
    exitCode: () => child.exitCode,
    sigterm: () => child.kill('SIGTERM'),
    settle: (promise) => promise,
    until: (condition, what) => until(condition, 15_000, () => `it did not happen: ${what}`),
    close: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await gone;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
});

describe('hooks: HTTP, and a process that keeps to no contract', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });
  async function serve(answer: RequestListener): Promise<HookTarget> {
    const server = createServer(answer);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { port: (server.address() as AddressInfo).port, token: 't' };
  }
  const SEAL = { id: '0000000001', step: 1, bytes: 1, durationMs: 1 };
  const PROGRESS = { step: 1, totalSteps: 2, stepsPerSecond: 1, resumed: null, lastCheckpoint: null };
  const calls = (target: HookTarget, hooks = httpHooks()) => ({
    checkpoint: () => hooks.checkpoint(target, { reason: 'interruption', deadlineRealMs: Date.now() + 100 }),
    progress: () => hooks.progress(target),
  });

  it('asks with the bearer token, the reason and the deadline in real time', async () => {
    const asked: unknown[] = [];
    const target = await serve((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        asked.push([request.method, request.url, request.headers.authorization, body === '' ? null : JSON.parse(body)]);
        response.end(JSON.stringify(request.method === 'POST' ? SEAL : PROGRESS));
      });
    });
    const hooks = httpHooks();
    const deadlineRealMs = Date.now() + 5000;
    expect(await hooks.checkpoint(target, { reason: 'interruption', deadlineRealMs })).toEqual(SEAL);
    expect(await hooks.checkpoint(target, { reason: 'drill', deadlineRealMs: null })).toEqual(SEAL);
    expect(await hooks.progress(target)).toEqual(PROGRESS);
    expect(asked).toEqual([
      ['POST', '/v1/checkpoint', 'Bearer t', { reason: 'interruption', deadline: new Date(deadlineRealMs).toISOString() }],
      ['POST', '/v1/checkpoint', 'Bearer t', { reason: 'drill', deadline: null }],
      ['GET', '/v1/progress', 'Bearer t', null],
    ]);
  });

  it('is an error in bounded time, whatever it does', async () => {
    const bad: Readonly<Record<string, RequestListener>> = {
      'never answers': () => undefined,
      'begins to answer and stops': (_, response) => response.writeHead(200, { 'content-length': 900 }).write('{"step":'),
      'answers without end': (_, response) => void setInterval(() => response.write('x'.repeat(10_000)), 1).unref(),
      'hangs up': (request) => request.socket.destroy(),
      'answers what is no JSON': (_, response) => response.end('all is well'),
      'answers nothing': (_, response) => response.end(),
      'answers another shape': (_, response) => response.end('{"step":"many","id":7}'),
      'answers a step that cannot be': (_, response) => response.end(JSON.stringify({ ...PROGRESS, ...SEAL, step: -1 })),
      fails: (_, response) => response.writeHead(507).end('{"error":{"code":"storage"}}'),
      'answers 202, not sealed yet': (_, response) => response.writeHead(202).end(JSON.stringify({ ...PROGRESS, ...SEAL })),
    };
    const made = await Promise.all(
      Object.entries(bad).map(async ([what, answer]) =>
        Object.entries(calls(await serve(answer))).map(([call, make]) => [`${call} of one that ${what}`, make] as const),
      ),
    );
    expect(await notFailing(Object.fromEntries(made.flat()), ['retryable'], 8000)).toEqual({});
  });

  it('says in its error what the hook said', async () => {
    const target = await serve((_, response) => response.writeHead(507).end('{"error":{"why":"/mnt/ckpt is full"}}'));
    await expect(httpHooks().progress(target)).rejects.toThrow(/HTTP 507.*\/mnt\/ckpt is full/);
  });

  it('cannot send the agent elsewhere', async () => {
    let elsewhere = 0;
    const trap = await serve((_, response) => {
      elsewhere += 1;
      response.end(JSON.stringify({ ...PROGRESS, ...SEAL }));
    });
    const target = await serve((_, response) => response.writeHead(307, { location: `http://127.0.0.1:${trap.port}/latest/meta-data/` }).end());
    expect(await notFailing(calls(target), ['retryable'], 8000)).toEqual({});
    expect(elsewhere).toBe(0);
  });

  it('that has ended is an error at once', async () => {
    expect(await notFailing(calls({ port: await freePort(), token: 't' }), ['retryable'], 4000)).toEqual({});
  });
});
