// `npm run bench:soak`: worker and agent as the chart starts them, for five minutes (--minutes), with 1,000 jobs a minute that come, run and end, and
// 500 pods that stand there. Prints memory as Kubernetes counts it and CPU, beside a bare Node process and the least that a worker could take
// (floor.ts): machines differ twofold, so the worker's CPU is held against that. Fails outside bench/ranges.json.
//
// Surprise: a copy of Node's binary of its own, not in the page cache when it starts, so that the binary's pages are charged to who is measured, as
// they are on a fresh node.

import { spawn, type ChildProcess, execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { testRedis } from '../../test/support/redis.ts';
import { SMALL_ENV, smallFlags } from '../../test/support/chart/small.ts';
import { cpuSecondsOf, weightOf } from '../../test/support/process-weight.ts';
import { selfSigned } from '../../test/support/webhook/certificate.ts';
import { machine } from '../queue/figures.ts';
import { type Scale, scale } from './cgroup.ts';
import { soakCluster } from './cluster.ts';
import { AGENT_NODE, createNodes, NAMESPACE, startLife } from './life.ts';

const root = resolve(import.meta.dirname, '../..');
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    jobs: { type: 'string', default: '1000' },
    pods: { type: 'string', default: '500' },
    'no-build': { type: 'boolean', default: false },
    /** Writes what the programs say to stderr. */
    loud: { type: 'boolean', default: false },
  },
});
const minutes = Number(values.minutes);
const load = { jobsAMinute: Number(values.jobs), standing: Number(values.pods) };
const SAMPLE_MS = 1000;
const WARM_UP_MS = 20_000;
const BARE = 'setInterval(() => undefined, 1000)';
/** As the chart has them. */
const HEAP_MB = { bare: 32, floor: 64, worker: 64, agent: 32 } as const;

interface Measured {
  readonly name: string;
  readonly child: ChildProcess;
  readonly scale: Scale;
  readonly workingSet: number[];
  rssMb: number;
  anonymousMb: number;
  cpuFromSeconds: number;
  cpuSeconds: number;
}

if (!values['no-build']) execFileSync(process.execPath, ['scripts/build.ts'], { cwd: root, stdio: 'inherit' });
const folder = mkdtempSync(join(tmpdir(), 'nerve-soak-'));
const certificate = selfSigned();
const [cluster, redis] = await Promise.all([soakCluster(certificate), testRedis()]);
createNodes(cluster);
const metadata = createServer((request, response) => {
  if (request.method === 'PUT') response.end('token');
  else response.writeHead(404).end();
});
await new Promise<void>((go) => metadata.listen(0, '127.0.0.1', go));
writeFileSync(join(folder, 'token'), 'soak');
writeFileSync(join(folder, 'ca.crt'), certificate.cert);
writeFileSync(join(folder, 'key'), 'k'.repeat(44));
writeFileSync(
  join(folder, 'prices.yaml'),
  'region: eu-west-3\nsource: made up for this bench\nreadAt: 2026-11-25T00:00:00Z\nprices:\n  - instanceType: g6.xlarge\n    onDemandUsdPerHour: 1.0216\n    spotUsdPerHour: { eu-west-3a: 0.3573, eu-west-3b: 0.3789, eu-west-3c: 0.41 }\n',
);

const env = {
  PATH: process.env['PATH'],
  HOME: folder,
  NERVE_TARGET: 'cluster',
  KUBERNETES_SERVICE_HOST: cluster.url.hostname,
  KUBERNETES_SERVICE_PORT: cluster.url.port,
  NERVE_ACCOUNT_FOLDER: folder,
  NERVE_REDIS_URL: redis.url,
  NERVE_PRICE_FILE: join(folder, 'prices.yaml'),
  NERVE_ATTEMPT_KEY_FILE: join(folder, 'key'),
  NERVE_JOB_NAMESPACES: NAMESPACE,
  NERVE_NODE_NAME: AGENT_NODE,
  AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${(metadata.address() as AddressInfo).port}`,
  ...SMALL_ENV,
};

function start(name: keyof typeof HEAP_MB, args: readonly string[]): Measured {
  const node = join(folder, `node-${name}`);
  copyFileSync(process.execPath, node);
  // Out of the page cache, where coreutils can do it; else its pages count as ours, which is not theirs.
  spawnSync('sync', [node]);
  spawnSync('dd', [`of=${node}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none']);
  const own = scale(name);
  const [program, ...rest] = own.enter([node, ...smallFlags(HEAP_MB[name]), ...args]);
  const child = spawn(program, rest, { cwd: root, env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000);
    if (values.loud) process.stderr.write(chunk);
  });
  child.once('exit', (code, signal) => {
    if (!stopping) console.error(`${name} ended (${code ?? signal}): ${said}`);
  });
  return { name, child, scale: own, workingSet: [], rssMb: 0, anonymousMb: 0, cpuFromSeconds: 0, cpuSeconds: 0 };
}

let stopping = false;
const life = await startLife(cluster, load);
const measured = [
  start('bare', ['-e', BARE]),
  start('floor', ['bench/soak/floor.ts']),
  start('worker', ['dist/cli.js', 'worker']),
  start('agent', ['--lite-mode', 'dist/cli.js', 'agent']),
];
await pause(WARM_UP_MS);
const pidOf = ({ child, name }: Measured): number => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) throw new Error(`${name} does not run`);
  return child.pid;
};
for (const each of measured) each.cpuFromSeconds = cpuSecondsOf(pidOf(each));
const fromMs = performance.now();
const [arrivedBefore, endedBefore] = [life.arrived(), life.ended()];
while (performance.now() - fromMs < minutes * 60_000) {
  await pause(SAMPLE_MS);
  for (const each of measured) each.workingSet.push(each.scale.workingSetMb(pidOf(each)));
}
const lasted = (performance.now() - fromMs) / 1000;
for (const each of measured) {
  each.cpuSeconds = cpuSecondsOf(pidOf(each)) - each.cpuFromSeconds;
  const { rssMb, anonymousMb } = weightOf(pidOf(each));
  Object.assign(each, { rssMb, anonymousMb });
}
const [arrived, ended] = [life.arrived() - arrivedBefore, life.ended() - endedBefore];
const head = machine('Valkey of the test suite');
stopping = true;
await life.stop();
for (const { child, scale: own } of measured) {
  child.kill('SIGKILL');
  await new Promise((gone) => child.once('exit', gone));
  await pause(100);
  own.close();
}
metadata.closeAllConnections();
metadata.close();
await cluster.close();
await redis.stop();
rmSync(folder, { recursive: true });

const figures: Record<string, number> = { arrivedPerMinute: (60 * arrived) / lasted, endedPerMinute: (60 * ended) / lasted };
const rows = measured.map(({ name, workingSet, rssMb, anonymousMb, cpuSeconds }) => {
  const [most, last] = [Math.max(...workingSet), workingSet.at(-1) ?? Number.NaN];
  if (name !== 'bare' && name !== 'floor') Object.assign(figures, { [`${name}MaxMb`]: most, [`${name}Cpu`]: cpuSeconds / lasted });
  return `| ${name} | ${[last, most, anonymousMb, rssMb].map((mb) => mb.toFixed(1)).join(' | ')} | ${(cpuSeconds / lasted).toFixed(3)} |`;
});
const cpuOf = (wanted: string): number => (measured.find(({ name }) => name === wanted)?.cpuSeconds ?? Number.NaN) / lasted;
figures['workerCpuOfFloor'] = cpuOf('worker') / cpuOf('floor');
const report = [
  '# Soak',
  '',
  'Written by `npm run bench:soak`; the ranges are in `bench/ranges.json`. Megabytes are 10^6 bytes, CPU is a share of one core.',
  '',
  ...head,
  `Memory: ${measured[0]?.scale.how ?? ''}.`,
  '',
  `${minutes} min, ${load.standing} pods of 6 kB standing, ${figures['arrivedPerMinute']?.toFixed(0)} jobs a minute arrived and ${figures['endedPerMinute']?.toFixed(0)} ended.`,
  '',
  '| process | working set at the end | at most | anonymous | RSS | CPU |',
  '|---|---|---|---|---|---|',
  ...rows,
  '',
  `\`bare\` is Node alone with the same flags and one timer; \`floor\` a program that wakes through BullMQ, reads, writes and asks the API server as often as the worker does, and decides nothing. The worker takes ${figures['workerCpuOfFloor'].toFixed(2)} of its CPU.`,
].join('\n');
console.log(report);
const { soak } = JSON.parse(readFileSync(join(root, 'bench/ranges.json'), 'utf8')) as { soak: Readonly<Record<string, readonly [number, number]>> };
for (const [name, [low, high]] of Object.entries(soak)) {
  const value = figures[name];
  if (value !== undefined && value >= low && value <= high) continue;
  console.error(`OUT OF RANGE: ${name} is ${value ?? 'not measured'}, not in [${low}, ${high}]`);
  process.exitCode = 1;
}
if (minutes >= 5 && load.jobsAMinute === 1000 && load.standing === 500) {
  mkdirSync(join(root, 'bench/results'), { recursive: true });
  writeFileSync(join(root, 'bench/results/soak.md'), `${report}\n`);
}
