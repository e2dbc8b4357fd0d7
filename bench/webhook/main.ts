// `npm run bench:webhook`: recorded AdmissionReviews over TLS, 100 a second for 60 s, to the real program, whose watch shows 1,000 pods of
// jobs. Measured in the caller, from the instant at which a request was due and not from when it was sent. Fails outside
// bench/ranges.json. On a crowded machine: `chrt -r 1 npm run bench:webhook`. A tenth as many requests go to /healthz: what they take is the machine's own noise.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { selfSigned, writeCertificate } from '../../test/support/webhook/certificate.ts';
import { reviewClient } from '../../test/support/webhook/client.ts';
import { podKinds, podOfKind, podReview } from '../../test/support/webhook/reviews.ts';
import { clusterOf } from './cluster.ts';

const root = resolve(import.meta.dirname, '../..');
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' }, rate: { type: 'string', default: '100' } } });
const [seconds, rate] = [Number(values.seconds), Number(values.rate)];
const TICKS_A_SECOND = 100;

const folder = mkdtempSync(join(tmpdir(), 'nerve-bench-webhook-'));
const certificate = selfSigned();
writeCertificate(folder, certificate);
const api = await clusterOf(folder, certificate, 1000);
// As the chart starts it.
const small = ['--optimize-for-size', '--v8-pool-size=1', '--max-semi-space-size=1', '--max-old-space-size=32'];
const webhook = spawn(process.execPath, [...small, 'src/cli.ts', 'webhook'], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'pipe'],
  env: { PATH: process.env['PATH'], ...api.env, NERVE_TLS_DIR: folder, NERVE_WEBHOOK_HOST: '127.0.0.1', NERVE_WEBHOOK_PORT: '0' },
});
const port = await new Promise<number>((found, failed) => {
  webhook.once('exit', (code) => failed(new Error(`the webhook ended with ${code}`)));
  webhook.stderr.on('data', (chunk: Buffer) => {
    const [, at] = /"port":(\d+)/.exec(chunk.toString()) ?? [];
    if (at !== undefined) found(Number(at));
  });
});

const client = reviewClient(port, certificate.cert);
const bodies = podKinds.map((kind) => JSON.stringify(podReview(podOfKind(kind), { uid: 'UID' })));
const lateness: number[] = [];
const noise: number[] = [];
let adopted = 0;
let errors = 0;

async function review(index: number, dueMs: number): Promise<void> {
  const { uid, text } = { uid: `uid-${index}`, text: bodies[index % bodies.length] ?? '' };
  const { status, body } = await client.post('/mutate/pods?timeout=2s', text.replace('UID', uid));
  lateness.push(performance.now() - dueMs);
  const { response } = JSON.parse(body) as { response: { uid: string; allowed: boolean; patch?: string } };
  if (status !== 200 || response.uid !== uid || !response.allowed) errors += 1;
  if (
    Buffer.from(response.patch ?? '', 'base64')
      .toString()
      .includes('nerve.io/hold')
  )
    adopted += 1;
}

async function health(dueMs: number): Promise<void> {
  await client.get('/healthz');
  noise.push(performance.now() - dueMs);
}

// The first beat that moves is what makes it hold pods.
for (const deadline = performance.now() + 20_000; adopted === 0 && performance.now() < deadline; ) {
  await new Promise((go) => setTimeout(go, 500));
  await review(0, performance.now());
}
adopted = 0;
lateness.length = 0;
const cpuSeconds = (): number => {
  const fields = readFileSync(`/proc/${webhook.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
};
const cpuBefore = cpuSeconds();
const begin = performance.now();
const running: Promise<void>[] = [];
for (let i = 0; i < seconds * rate; i++) {
  const dueMs = begin + (i * 1000) / rate;
  const waitMs = dueMs - performance.now();
  if (waitMs > 0) await new Promise((go) => setTimeout(go, waitMs));
  running.push(review(i, dueMs).catch(() => void (errors += 1)));
  if (i % 10 === 5) running.push(health(performance.now()).catch(() => undefined));
}
await Promise.all(running);
const lasted = (performance.now() - begin) / 1000;
const cpu = cpuSeconds() - cpuBefore;
const residentMb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${webhook.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
client.close();
webhook.kill('SIGTERM');
await new Promise((gone) => webhook.once('exit', gone));
await api.close();
rmSync(folder, { recursive: true });

const at = (list: readonly number[], share: number): number => list.toSorted((a, b) => a - b)[Math.floor(list.length * share)] ?? Number.NaN;
const figures: Readonly<Record<string, number>> = {
  requests: lateness.length,
  perSecond: lateness.length / lasted,
  errors,
  adoptedPct: (100 * adopted) / lateness.length,
  p50Ms: at(lateness, 0.5),
  p99Ms: at(lateness, 0.99),
  maxMs: at(lateness, 0.99999),
  noiseP99Ms: at(noise, 0.99),
  cpuMsPerRequest: (1000 * cpu) / (lateness.length + noise.length),
  residentMb,
};
const lines = Object.entries(figures).map(([name, value]) => `| ${name} | ${Number.isInteger(value) ? value : value.toFixed(2)} |`);
const report = [
  '# Webhook',
  '',
  'Written by `npm run bench:webhook`; the ranges are in `bench/ranges.json`.',
  '',
  '| figure | value |',
  '| --- | --- |',
  ...lines,
].join('\n');
console.log(report);
const ranges = (JSON.parse(readFileSync(join(root, 'bench/ranges.json'), 'utf8')) as { webhook: Readonly<Record<string, readonly [number, number]>> })
  .webhook;
for (const [name, [low, high]] of Object.entries(ranges)) {
  const value = figures[name];
  if (value !== undefined && value >= low && value <= high) continue;
  console.error(`OUT OF RANGE: ${name} is ${value ?? 'not measured'}, not in [${low}, ${high}]`);
  process.exitCode = 1;
}
if (seconds === 60 && rate === 100) {
  mkdirSync(join(root, 'bench/results'), { recursive: true });
  writeFileSync(join(root, 'bench/results/webhook.md'), `${report}\n`);
}
