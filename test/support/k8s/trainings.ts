// Fake training in the pods of a level-1 cluster: for each pod that kwok says is running, a hook server on the pod's own address (127.77.x.y) and
// steps that pass with time. One seal log a job, kept in memory, with the contract's rules: a replacement waits for its predecessor's final seal,
// the newest seal is where it goes on. It also keeps what must never happen: two attempts past their resume point at once.

import { createServer, type Server } from 'node:http';
import type { Pod } from '../../../src/engine/pod/types.ts';
import { type Admin, ApiError } from './admin.ts';

const BOOT_MS = 300;
const PERIODIC_MS = 2000;
const STEPS_A_SECOND = 10;

export interface Ended {
  readonly jobId: string;
  readonly atMs: number;
  readonly deadlineMs: number;
  readonly attempts: number;
  /** Steps that were done more than once. */
  readonly redone: number;
}

interface Job {
  readonly id: string;
  readonly totalSteps: number;
  readonly deadlineMs: number;
  seal: { step: number; id: number; final: boolean };
  epoch: number;
  attempts: number;
  redone: number;
  /** Furthest step ever reached. */
  reached: number;
  readonly finals: Set<string>;
  /** When the API server took the report of its end: whoever creates a pod of it after that is wrong. */
  toldAtMs: number | null;
}

interface Run {
  readonly pod: Pod;
  readonly attempt: string;
  readonly job: Job;
  readonly server: Server;
  state: 'booting' | 'training' | 'sealed' | 'dead';
  readonly startedAtMs: number;
  resumed: { readonly step: number; readonly epoch: number; readonly atMs: number; readonly sealId: number } | null;
  sealedAtMs: number;
  /** When its work was done; the API server has to be told. */
  doneAtMs: number | null;
  told: boolean;
}

export interface TrainingOptions {
  /** How long a hook takes to seal. */
  readonly sealMs?: number;
  /** How often the pods are listed. */
  readonly tickMs?: number;
}

/** A pod of a job that began to run. */
export interface Start {
  readonly jobId: string;
  readonly node: string;
  readonly atMs: number;
}

export interface Trainings {
  readonly starts: readonly Start[];
  readonly ended: ReadonlyMap<string, Ended>;
  /** What must never happen, in words. */
  readonly faults: readonly string[];
  /** The machine is gone: its processes stop without a word. */
  vanish(node: string): void;
  running(): readonly { readonly jobId: string; readonly node: string; readonly pod: string }[];
  stop(): Promise<void>;
}

export function startTrainings(admin: Admin, namespace: string, { sealMs = 500, tickMs = 150 }: TrainingOptions = {}): Trainings {
  const jobs = new Map<string, Job>();
  const runs = new Map<string, Run>();
  const ended = new Map<string, Ended>();
  const starts: Start[] = [];
  const faults: string[] = [];
  let stopped = false;

  const stepOf = (run: Run, nowMs: number): number =>
    run.resumed === null ? 0 : Math.min(run.job.totalSteps, run.resumed.step + Math.floor(((nowMs - run.resumed.atMs) / 1000) * STEPS_A_SECOND));

  const seal = (run: Run, final: boolean): void => {
    const step = stepOf(run, Date.now());
    run.job.reached = Math.max(run.job.reached, step);
    run.job.seal = { step, id: run.job.seal.id + 1, final };
    run.sealedAtMs = Date.now();
    if (final) {
      run.state = 'sealed';
      run.job.finals.add(run.attempt);
    }
  };

  const progress = (run: Run): unknown => ({
    step: stepOf(run, Date.now()),
    totalSteps: run.job.totalSteps,
    stepsPerSecond: STEPS_A_SECOND,
    resumed:
      run.resumed === null
        ? null
        : {
            step: run.resumed.step,
            epoch: run.resumed.epoch,
            checkpointId: run.resumed.sealId === 0 ? null : String(run.resumed.sealId),
            ageSeconds: (Date.now() - run.resumed.atMs) / 1000,
          },
    lastCheckpoint:
      run.sealedAtMs === 0
        ? null
        : {
            id: String(run.job.seal.id),
            step: run.job.seal.step,
            bytes: 1000,
            durationMs: sealMs,
            final: run.job.seal.final,
            ageSeconds: (Date.now() - run.sealedAtMs) / 1000,
          },
  });

  const serve = (run: () => Run, token: string): Server =>
    createServer((request, response) => {
      const reply = (status: number, body: unknown): void =>
        void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      const me = run();
      if (me.state === 'dead') return void request.socket.destroy();
      if (request.headers.authorization !== `Bearer ${token}`) return reply(401, {});
      if (request.url === '/v1/progress') return reply(200, progress(me));
      if (me.resumed === null) return reply(409, { error: { code: 'not-resumed' } });
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const { reason } = JSON.parse(body) as { reason: string };
        const final = ['interruption', 'move', 'pause'].includes(reason);
        setTimeout(() => {
          if (me.state === 'dead') return void request.socket.destroy();
          if (me.state === 'training') seal(me, final);
          reply(200, { id: String(me.job.seal.id), step: me.job.seal.step, bytes: 1000, durationMs: sealMs });
        }, sealMs);
      });
    });

  const start = (pod: Pod): void => {
    const env = new Map(pod.spec.containers.flatMap((c) => (c.env ?? []).map((e) => [e.name, e.value ?? ''] as const)));
    const jobId = pod.metadata.labels?.['nerve.io/job-id'] ?? '';
    const job: Job = jobs.get(jobId) ?? {
      id: jobId,
      totalSteps: Number(env.get('TEST_STEPS')),
      deadlineMs: Date.parse(pod.metadata.annotations?.['nerve.io/deadline'] ?? ''),
      seal: { step: 0, id: 0, final: false },
      epoch: 0,
      attempts: 0,
      redone: 0,
      reached: 0,
      finals: new Set(),
      toldAtMs: null,
    };
    jobs.set(jobId, job);
    job.attempts += 1;
    starts.push({ jobId, node: pod.spec.nodeName ?? '', atMs: Date.now() });
    const server = serve(() => run, env.get('NERVE_HOOK_TOKEN') ?? '');
    server.on('error', (error) => faults.push(`hook of ${pod.metadata.name ?? ''}: ${error.message}`));
    server.listen(8711, pod.status?.podIP);
    const run: Run = {
      pod,
      attempt: env.get('NERVE_ATTEMPT') ?? '1',
      job,
      server,
      state: 'booting',
      startedAtMs: Date.now(),
      resumed: null,
      sealedAtMs: 0,
      doneAtMs: null,
      told: false,
    };
    runs.set(pod.metadata.uid ?? '', run);
  };

  const advance = async (run: Run): Promise<void> => {
    const nowMs = Date.now();
    const { job, pod } = run;
    if (run.doneAtMs !== null && !run.told && run.state !== 'dead') {
      if (await succeed(admin, pod, run.doneAtMs)) job.toldAtMs ??= Date.now();
      run.told = true;
    }
    if (run.state === 'booting') {
      const env = new Map(pod.spec.containers.flatMap((c) => (c.env ?? []).map((e) => [e.name, e.value ?? ''] as const)));
      const previous = env.get('NERVE_PREVIOUS_ATTEMPT');
      const waits = previous !== undefined && !job.finals.has(previous) && nowMs < Date.parse(env.get('NERVE_WAIT_SEALED_UNTIL') ?? '');
      if (nowMs - run.startedAtMs < BOOT_MS || waits) return;
      // One that was created before finds its work done, as a real one would in its seals.
      const createdAtMs = Date.parse(pod.metadata.creationTimestamp ?? '');
      if (job.toldAtMs !== null && createdAtMs > job.toldAtMs)
        faults.push(`${job.id} was started again ${createdAtMs - job.toldAtMs} ms after its end was told`);
      for (const other of runs.values()) {
        if (other !== run && other.job === job && other.state === 'training')
          faults.push(`${job.id}: attempts ${other.attempt} and ${run.attempt} train at once`);
      }
      job.epoch += 1;
      job.redone += Math.max(0, job.reached - job.seal.step);
      run.resumed = { step: job.seal.step, epoch: job.epoch, atMs: nowMs, sealId: job.seal.id };
      run.state = 'training';
      return;
    }
    if (run.state !== 'training') return;
    job.reached = Math.max(job.reached, stepOf(run, nowMs));
    if (stepOf(run, nowMs) >= job.totalSteps) {
      seal(run, true);
      run.doneAtMs = nowMs;
      ended.set(job.id, { jobId: job.id, atMs: nowMs, deadlineMs: job.deadlineMs, attempts: job.attempts, redone: job.redone });
    } else if (nowMs - Math.max(run.sealedAtMs, run.resumed?.atMs ?? 0) > PERIODIC_MS) seal(run, false);
  };

  const die = (run: Run): void => {
    // SIGTERM is the same request as the hook's: the state is sealed before the process ends.
    if (run.state === 'training') seal(run, true);
    run.state = 'dead';
    run.server.close();
    run.server.closeAllConnections();
  };

  const lookAtPods = async (): Promise<void> => {
    const { items } = await admin.call<{ items: readonly Pod[] }>('GET', `/api/v1/namespaces/${namespace}/pods?fieldSelector=status.phase=Running`);
    const alive = new Set<string>();
    for (const pod of items) {
      const uid = pod.metadata.uid ?? '';
      if (pod.status?.phase === 'Running' && pod.metadata.deletionTimestamp === undefined) alive.add(uid);
      if (alive.has(uid) && !runs.has(uid) && pod.status?.podIP !== undefined) start(pod);
    }
    for (const [uid, run] of runs) if (!alive.has(uid) && run.state !== 'dead') die(run);
  };

  /** Training goes on while the API server is away. */
  const tick = async (): Promise<void> => {
    await lookAtPods().catch(() => undefined);
    const alive = [...runs.values()].filter((run) => run.state !== 'dead');
    await Promise.all(alive.map((run) => advance(run).catch(() => undefined)));
  };

  const loop = (async () => {
    while (!stopped) {
      await tick();
      await new Promise((resolve) => setTimeout(resolve, tickMs));
    }
    for (const run of runs.values()) die(run);
  })();

  return {
    starts,
    ended,
    faults,
    vanish: (node) => {
      for (const run of runs.values()) {
        if (run.pod.spec.nodeName !== node || run.state === 'dead') continue;
        run.state = 'dead';
        run.server.close();
        run.server.closeAllConnections();
      }
    },
    running: () =>
      [...runs.values()]
        .filter((run) => run.state === 'training')
        .map((run) => ({ jobId: run.job.id, node: run.pod.spec.nodeName ?? '', pod: run.pod.metadata.name ?? '' })),
    stop: async () => {
      stopped = true;
      await loop;
    },
  };
}

/** As a kubelet reports the end of a container. False: the pod is gone, and nobody was told. */
async function succeed(admin: Admin, pod: Pod, atMs: number): Promise<boolean> {
  const finishedAt = new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z');
  const containerStatuses = pod.spec.containers.map(({ name }) => ({
    name,
    image: 'none',
    imageID: '',
    ready: false,
    restartCount: 0,
    state: { terminated: { exitCode: 0, finishedAt, startedAt: finishedAt, reason: 'Completed' } },
  }));
  const { namespace = '', name = '' } = pod.metadata;
  const body = { status: { phase: 'Succeeded', containerStatuses } };
  try {
    await admin.call('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, body, 'application/merge-patch+json');
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return false;
    throw error;
  }
}
