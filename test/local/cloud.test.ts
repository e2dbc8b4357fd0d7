import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Cloud, type CloudOptions, type CloudState, createCloud } from '../../src/adapters/local/cloud.ts';
import { SHORTAGE_MS, spotOffered } from '../../src/adapters/local/weather.ts';
import { identify } from '../../src/adapters/process/identity.ts';
import type { LaunchAsk } from '../../src/ports.ts';
import { offering, spec } from '../support/build.ts';
import { quiet } from '../support/clock.ts';

const job = spec();
const EVENING = Date.parse('2026-11-24T18:00:00+01:00');
const place = (zone: string, capacityType: 'spot' | 'on-demand' = 'spot') => offering(zone, capacityType, 0.16);
const ask = (attempt = 1, ranked = [place('euw3-az2'), place('euw3-az3')]): LaunchAsk => ({
  name: `nerve-${job.id}-a${attempt}`,
  spec: job,
  attempt,
  ranked,
  handover: null,
});

let nowMs = EVENING;
let saved: CloudState | null = null;
let gone: { node: string; taken: boolean }[] = [];
let cloud: Cloud;
const children: ChildProcess[] = [];

const EMPTY: CloudState = { weather: { seed: 'cloud', droughtFromMs: null }, nodes: {}, attempts: {} };

function open(state: CloudState = EMPTY, over: Partial<CloudOptions> = {}): Cloud {
  return createCloud({
    clock: { speed: 1, nowMs: () => nowMs, realNowMs: () => nowMs, sleep: () => Promise.resolve() },
    log: quiet,
    noticeRealMs: 120_000,
    state,
    save: (next) => {
      saved = structuredClone(next);
    },
    freePort: async () => 4711,
    onNode: () => undefined,
    onNodeGone: (node, taken) => void gone.push({ node, taken }),
    onForget: () => undefined,
    onShutDown: () => undefined,
    ...over,
  });
}

beforeEach(() => {
  nowMs = EVENING;
  saved = null;
  gone = [];
  cloud = open();
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A real process in a group of its own, as the kubelet starts it. */
async function running(name: string): Promise<ChildProcess> {
  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  const identity = identify(child.pid ?? 0);
  if (identity === null) throw new Error('it did not start');
  await cloud.started({ name, process: identity });
  return child;
}

const nodeOf = async (name = ask().name): Promise<string> => {
  const found = (await cloud.attempts({})).find((a) => a.name === name)?.nodeName;
  if (found === null || found === undefined) throw new Error(`${name} has no node`);
  return found;
};

describe('an end of Nerve on this machine', () => {
  it('is told of what it ends, on disk, before that ends; not where the cloud has announced that it takes the machine', async () => {
    const others = { ...ask(2), name: 'nerve-j-other000-a1', spec: { ...job, id: 'j-other000' } };
    for (const each of [ask(), others]) await cloud.launch(each);
    const interruption = { action: 'terminate', noticedAtMs: nowMs, endsAtMs: nowMs + 120_000 } as const;
    await cloud.markNode({ node: await nodeOf(others.name), marks: { interruption } });
    nowMs += 1000;
    cloud.takeDown([ask().name, others.name]);
    const marked = { deletedByNerve: true, deletionRequestedAtMs: nowMs, endedAtMs: null };
    expect(saved?.attempts[ask().name]?.seen).toMatchObject({ ...marked, stopRequest: 'down' });
    expect(saved?.attempts[others.name]?.seen).toMatchObject({ ...marked, stopRequest: null });
  });

  it('is news to the next worker, at once', { timeout: 5000 }, async () => {
    await cloud.launch(ask());
    cloud.takeDown([ask().name]);
    await cloud.ended({ name: ask().name, exitCode: 143, logTail: null });
    const next = open(cloud.state());
    expect(await next.changes({ since: 0 })).toMatchObject({ jobIds: [job.id] });
  });

  it('leaves what was asked before as it was', async () => {
    await cloud.launch(ask());
    await cloud.requestStop({ name: ask().name, request: 'pause' });
    await cloud.remove({ name: ask().name });
    const before = nowMs;
    nowMs += 1000;
    cloud.takeDown([ask().name]);
    expect(cloud.state().attempts[ask().name]?.seen).toMatchObject({ stopRequest: 'pause', deletionRequestedAtMs: before });
  });
});

describe('a launch', () => {
  it('gets a node in the first place that has capacity, and is on disk before it is answered', async () => {
    const made = await cloud.launch(ask());
    expect(made).toMatchObject({ zone: 'euw3-az2', capacityType: 'spot', phase: 'pending', placedAtMs: EVENING });
    expect(Object.keys(saved?.attempts ?? {})).toEqual([made.name]);
    expect(saved?.attempts[made.name]?.seen.nodeName).toBe(made.nodeName);
  });

  it('that is asked for again answers what is there, whatever it asks for now', async () => {
    const first = await cloud.launch(ask());
    const again = await cloud.launch(ask(1, [place('euw3-az3', 'on-demand')]));
    expect(again).toEqual(first);
    expect(Object.keys(cloud.state().nodes)).toHaveLength(1);
  });

  it('that is asked for twice at once makes one node', async () => {
    const [a, b] = await Promise.all([cloud.launch(ask()), cloud.launch(ask())]);
    expect(a.nodeName).toBe(b.nodeName);
    expect(Object.keys(cloud.state().nodes)).toHaveLength(1);
  });

  it('waits where there is no capacity, and goes on demand when that is asked for', async () => {
    cloud = open({ weather: { seed: 'cloud', droughtFromMs: EVENING }, nodes: {}, attempts: {} });
    expect(await cloud.launch(ask())).toMatchObject({ placedAtMs: null, unschedulableSinceMs: EVENING });
    expect(await cloud.launch(ask(2, [place('euw3-az2'), place('euw3-az3', 'on-demand')]))).toMatchObject({
      zone: 'euw3-az3',
      capacityType: 'on-demand',
      priceUsdPerHour: 0.615,
    });
  });
});

describe('a removal', () => {
  it('of an attempt that waits for capacity ends it at once, and it is never placed afterwards', async () => {
    cloud = open({ weather: { seed: 'cloud', droughtFromMs: EVENING }, nodes: {}, attempts: {} });
    const { name } = await cloud.launch(ask());
    await cloud.remove({ name });
    const [seen] = await cloud.attempts({ jobId: job.id });
    expect(seen).toMatchObject({ endedAtMs: EVENING, deletedByNerve: true, placedAtMs: null, nodeName: null });
    cloud = open({ ...cloud.state(), weather: { seed: 'cloud', droughtFromMs: null } });
    cloud.tick();
    expect(cloud.state().nodes).toEqual({});
  });

  it('of a running attempt only asks: the node ends it', async () => {
    const { name } = await cloud.launch(ask());
    await cloud.remove({ name });
    expect((await cloud.attempts({}))[0]).toMatchObject({ deletionRequestedAtMs: EVENING, endedAtMs: null });
    await cloud.ended({ name, exitCode: 143, logTail: null });
    cloud.tick();
    expect(gone).toEqual([{ node: expect.any(String), taken: false }]);
  });

  it('of an attempt that is not there, or has ended, is no error', async () => {
    await expect(cloud.remove({ name: 'nerve-j-nobody00-a1' })).resolves.toBeNull();
    const { name } = await cloud.launch(ask());
    await cloud.ended({ name, exitCode: 0, logTail: null });
    await cloud.remove({ name });
    expect((await cloud.attempts({}))[0]).toMatchObject({ phase: 'succeeded', deletedByNerve: false });
  });
});

describe('an interruption notice', () => {
  it('kills what runs there when it expires, and not before', async () => {
    const { name } = await cloud.launch(ask());
    const child = await running(name);
    const node = await nodeOf();
    await cloud.disturb({ jobId: job.id, kind: 'notice' });
    expect(cloud.state().nodes[node]).toMatchObject({ noticeEndsRealMs: EVENING + 120_000, interruption: null });
    nowMs += 119_999;
    cloud.tick();
    expect(child.exitCode ?? child.signalCode).toBeNull();
    const exited = once(child, 'exit');
    nowMs += 1;
    cloud.tick();
    expect(await exited).toEqual([null, 'SIGKILL']);
    expect(gone).toEqual([{ node, taken: true }]);
    expect((await cloud.attempts({}))[0]).toMatchObject({ endedAtMs: nowMs, exitCode: null, node: null });
  });

  it('keeps its time when it is announced twice', async () => {
    await cloud.launch(ask());
    await cloud.disturb({ jobId: job.id, kind: 'notice' });
    nowMs += 60_000;
    await cloud.disturb({ jobId: job.id, kind: 'notice' });
    expect(cloud.state().nodes[await nodeOf()]?.noticeEndsRealMs).toBe(EVENING + 120_000);
  });

  it('comes when a place runs dry, to spot machines only', async () => {
    await cloud.launch(ask());
    await cloud.launch(ask(2, [place('euw3-az3', 'on-demand')]));
    const spot = await nodeOf();
    cloud = open({ ...cloud.state(), weather: { seed: 'cloud', droughtFromMs: EVENING } });
    cloud.tick();
    const noticed = Object.values(cloud.state().nodes).filter((n) => n.noticeEndsRealMs !== null);
    expect(noticed.map((n) => n.name)).toEqual([spot]);
  });

  it('leaves no room for another spot machine in its zone for six hours; what runs there stays', async () => {
    await cloud.launch(ask());
    await cloud.launch(ask(2, [place('euw3-az3', 'spot')]));
    const zoneOf = (attempt: number) => cloud.attempts({}).then((all) => all.find((a) => a.attempt === attempt)?.zone);
    const [first, second] = [await zoneOf(1), await zoneOf(2)];
    expect(first).not.toBe(second);
    const { weather } = cloud.state();
    await cloud.disturb({ jobId: job.id, kind: 'notice' });
    nowMs += 60_000;
    const after = cloud.state().weather;
    const offered = (zone: string | undefined, atMs: number) => spotOffered(after, zone ?? '', 'g4dn.xlarge', atMs);
    expect(weather.shortages).toBeUndefined();
    expect([offered(second, nowMs), offered(first, nowMs)]).toEqual([false, true]);
    expect([offered(second, EVENING + SHORTAGE_MS - 1), offered(second, EVENING + SHORTAGE_MS)]).toEqual([false, true]);
    cloud.tick();
    expect(Object.values(cloud.state().nodes).filter((n) => n.noticeEndsRealMs !== null)).toHaveLength(1);
  });

  it('in one zone does not end the shortage in another', async () => {
    await cloud.launch(ask());
    await cloud.disturb({ jobId: job.id, kind: 'notice' });
    await cloud.launch(ask(2, [place('euw3-az3', 'spot')]));
    await cloud.disturb({ jobId: job.id, kind: 'notice' });
    expect(Object.keys(cloud.state().weather.shortages ?? {})).toHaveLength(2);
  });

  it('for a job that runs nowhere is refused', async () => {
    await expect(cloud.disturb({ jobId: job.id, kind: 'notice' })).rejects.toMatchObject({ kind: 'not-found' });
  });
});

describe('a disk that is full', () => {
  const full = () => {
    throw new Error('ENOSPC: no space left on device');
  };

  it('makes a change an error that may be tried again; it took effect, and is on disk as soon as there is room', async () => {
    let disk: (() => void) | null = full;
    const nodes: string[] = [];
    cloud = open(undefined, { save: (next) => (disk === null ? (saved = structuredClone(next)) : disk()), onNode: (node) => nodes.push(node.name) });
    await expect(cloud.launch(ask())).rejects.toMatchObject({ kind: 'retryable', message: expect.stringContaining('no space left') });
    await expect(cloud.launch(ask())).rejects.toMatchObject({ kind: 'retryable' });
    expect(await cloud.attempts({})).toMatchObject([{ name: ask().name, placedAtMs: EVENING }]);
    // The machine is there, so its agent has to be.
    expect(nodes).toEqual([await nodeOf()]);
    expect(saved).toBeNull();
    disk = null;
    cloud.tick();
    expect(Object.keys(saved?.attempts ?? {})).toEqual([ask().name]);
    expect(await cloud.launch(ask())).toMatchObject({ name: ask().name, placedAtMs: EVENING });
  });

  it('does not end the tick', async () => {
    cloud = open(undefined, { save: full });
    await cloud.launch(ask()).catch(() => undefined);
    nowMs += 1000;
    expect(() => cloud.tick()).not.toThrow();
  });
});

describe('changes', () => {
  it('name the jobs that changed since the version that the reader knows', async () => {
    const { version } = await cloud.launch(ask()).then(() => cloud.changes({ since: 0 }));
    const waiting = cloud.changes({ since: version });
    await cloud.requestStop({ name: ask().name, request: 'move' });
    expect(await waiting).toEqual({ version: version + 1, jobIds: [job.id] });
  });

  it('name everything to a reader from before a restart', async () => {
    await cloud.launch(ask());
    cloud = open(cloud.state());
    expect((await cloud.changes({ since: 99 })).jobIds).toEqual([job.id]);
  });
});

it('what ended stays visible with the last look of its node until it is forgotten', async () => {
  const { name } = await cloud.launch(ask());
  await cloud.ended({ name, exitCode: 3, logTail: 'boom' });
  cloud.tick();
  expect((await cloud.attempts({}))[0]).toMatchObject({
    phase: 'failed',
    exitCode: 3,
    logTail: 'boom',
    node: { zone: 'euw3-az2', ready: true, silentSinceMs: null },
  });
  await cloud.forget({ jobId: job.id });
  expect(await cloud.attempts({})).toEqual([]);
});
