// What is in the image: Node with the few libraries it needs, the valkey-server for the chart's own Redis, the bundle, and every
// licence of what is handed on. No shell, no package manager, and no CA file: Node brings its own list, and this machine's may hold
// authorities of its owner.
//
// Two layers: `base` changes with Node and glibc, `app` with every build.

import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { findRedisServer } from '../../src/adapters/redis-server/find.ts';
import type { Entry } from './tar.ts';

export interface Contents {
  readonly base: readonly Entry[];
  readonly app: readonly Entry[];
}

/** Nobody's account: the chart runs everything as this one. */
export const USER = '65532:65532';
const USERS = 'root:x:0:0:root:/:/none\nnonroot:x:65532:65532:nonroot:/tmp:/none\n';
const GROUPS = 'root:x:0:\nnonroot:x:65532:\n';

export async function contents(root: string): Promise<Contents> {
  if (process.platform !== 'linux') throw new Error('The image is put together from a Linux machine; elsewhere: docker build -t NAME .');
  const node = nodeProgram(root);
  const valkey = (await findRedisServer({ cacheDir: cacheDir(), pathVariable: '' })).path;
  const base: Entry[] = [
    program('usr/local/bin/node', node),
    program('usr/local/bin/valkey-server', valkey),
    { kind: 'link', path: 'usr/local/bin/nerve', target: '/opt/nerve/nerve' },
    ...libraries([node, valkey]),
    text('etc/passwd', USERS),
    text('etc/group', GROUPS),
    text('etc/nsswitch.conf', 'hosts: files dns\n'),
    { kind: 'folder', path: 'tmp', mode: 0o1777 },
    { kind: 'folder', path: 'data' },
    licence('node', join(dirname(dirname(node)), 'LICENSE')),
    licence('valkey', `${valkey}.LICENSE`),
  ];
  const app: Entry[] = [
    ...readdirSync(join(root, 'dist')).map((name) => file(`opt/nerve/dist/${name}`, join(root, 'dist', name))),
    file('opt/nerve/package.json', join(root, 'package.json')),
    file('opt/nerve/LICENSE', join(root, 'LICENSE')),
    // A shell script is of no use here, so not bin/nerve.
    { ...text('opt/nerve/nerve', "#!/usr/local/bin/node\nimport './dist/cli.js';\n"), executable: true },
    // For a training image of any kind that has a Python: examples/cluster/job.yaml copies it from here.
    ...globSync(join(root, 'python/nerve_checkpoint/*.py')).map((source) => file(`opt/nerve/python/nerve_checkpoint/${basename(source)}`, source)),
    file('opt/nerve/python/train_stdlib.py', join(root, 'examples/train_stdlib.py')),
    text('usr/share/doc/nerve/THIRD-PARTY-LICENSES', bundledLicences(root)),
  ];
  return { base, app };
}

const file = (path: string, source: string): Entry & { kind: 'file' } => ({ kind: 'file', path, bytes: readFileSync(source) });
const program = (path: string, source: string): Entry => ({ ...file(path, source), executable: true });
const text = (path: string, words: string): Entry & { kind: 'file' } => ({ kind: 'file', path, bytes: Buffer.from(words) });
const licence = (of: string, source: string): Entry => file(`usr/share/doc/${of}/LICENSE`, source);
const cacheDir = (): string => process.env['NERVE_CACHE_DIR'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'nerve');

/** The one that npm brought, else the one that runs this. */
function nodeProgram(root: string): string {
  const brought = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
  return existsSync(brought) ? brought : realpathSync(process.execPath);
}

/** What the dynamic linker says the programs need, under the very paths where it looks. */
function libraries(programs: readonly string[]): readonly Entry[] {
  const said = programs.map((path) => execFileSync('ldd', [path], { encoding: 'utf8' })).join('');
  if (said.includes('not found')) throw new Error(`A library is missing on this machine:\n${said}`);
  if (said.includes('musl')) throw new Error('The image needs glibc, this machine has musl; use: docker build -t NAME .');
  const paths = new Set([...said.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? ''));
  return [...paths].flatMap((path) => [program(path.slice(1), path), ...systemLicence(path)]);
}

/** On Debian and its kin the package that owns a library keeps its licence in /usr/share/doc. */
function systemLicence(path: string): readonly Entry[] {
  const real = realpathSync(path);
  for (const candidate of [path, real, real.replace(/^\/usr\//, '/'), `/usr${path}`]) {
    try {
      const owner = execFileSync('dpkg', ['-S', candidate], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split(':')[0] ?? '';
      const copyright = `/usr/share/doc/${owner}/copyright`;
      if (owner !== '' && existsSync(copyright)) return [file(copyright.slice(1), realpathSync(copyright))];
    } catch {
      // Not known under this name, or no dpkg.
    }
  }
  console.error(`nerve: no licence file found for ${path}; add it where you hand the image on.`);
  return [];
}

/** The bundle holds parts of these packages, without their comments. */
function bundledLicences(root: string): string {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<
      Record<string, { readonly version?: string; readonly dev?: boolean; readonly optional?: boolean; readonly license?: string }>
    >;
  };
  return Object.entries(lock.packages)
    .filter(([path, { dev, optional }]) => path !== '' && dev !== true && optional !== true && existsSync(join(root, path)))
    .map(([path, { version, license }]) => {
      const texts = globSync(join(root, path, '{LICEN[CS]E,licen[cs]e,COPYING,NOTICE}*')).toSorted();
      const words = texts.map((name) => `${basename(name)}:\n${readFileSync(name, 'utf8').trim()}\n`).join('\n');
      return `=== ${path.replace(/^.*node_modules\//, '')} ${version ?? ''} (${license ?? 'see below'})\n${words}`;
    })
    .join('\n');
}
