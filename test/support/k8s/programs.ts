// The programs of the level-1 test bed: a real control plane and kwok, pinned in ../programs.json and built through Go modules
// into a cache folder. What surprises: k8s.io/kubernetes and etcd have `replace` directives and therefore cannot be installed
// with `go install x@v`; a module of our own that only requires them can be built. The first build takes minutes.
//   node test/support/k8s/programs.ts     builds what is missing and says where it is

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const BUILD_LIMIT_MS = 1_800_000;

interface Pins {
  readonly kubernetes: string;
  readonly etcd: string;
  readonly kwok: string;
}

export interface Programs {
  readonly etcd: string;
  readonly 'kube-apiserver': string;
  readonly 'kube-scheduler': string;
  readonly 'kube-controller-manager': string;
  readonly kwok: string;
}

const pins = JSON.parse(readFileSync(new URL('../programs.json', import.meta.url), 'utf8')) as Pins;
const CACHE = join(homedir(), '.cache', 'nerve');
const KUBERNETES = ['kube-apiserver', 'kube-scheduler', 'kube-controller-manager'] as const;

async function go(folder: string, args: readonly string[]): Promise<string> {
  const ran = run('nice', ['-n', '10', 'go', ...args], { cwd: folder, timeout: BUILD_LIMIT_MS, maxBuffer: 64 << 20 });
  return ran.then(
    ({ stdout }) => stdout,
    (error: { readonly stderr?: string }) => Promise.reject(new Error(`go ${args[0] ?? ''} failed:\n${(error.stderr ?? '').slice(-1000)}`)),
  );
}

/** A module that only requires: replace directives of a dependency do not matter then. */
async function wrapper(name: string, require: string, replaces: readonly string[], packages: readonly string[]): Promise<string> {
  const folder = join(CACHE, 'build', name);
  mkdirSync(folder, { recursive: true });
  const lines = [`module nerve.test/${name}`, '', 'go 1.26.0', '', `require ${require}`, ...replaces.map((line) => `replace ${line}`), ''];
  writeFileSync(join(folder, 'go.mod'), lines.join('\n'));
  writeFileSync(join(folder, 'tools.go'), `//go:build tools\n\npackage tools\n\nimport (\n${packages.map((p) => `\t_ "${p}"\n`).join('')})\n`);
  await go(folder, ['mod', 'tidy']);
  return folder;
}

/** k8s.io/kubernetes replaces its staging modules by folders; the published ones are v0.<minor>.<patch>. */
async function stagingReplaces(version: string): Promise<string[]> {
  const folder = join(CACHE, 'build');
  const found = JSON.parse(await go(folder, ['mod', 'download', '-json', `k8s.io/kubernetes@v${version}`])) as { readonly GoMod: string };
  const names = new Set<string>();
  for (const [, name] of readFileSync(found.GoMod, 'utf8').matchAll(/^\s+(k8s\.io\/[a-z0-9-]+) (?:=> \.\/staging|v0\.0\.0$)/gm)) {
    if (name !== undefined) names.add(name);
  }
  const published = `v0.${version.replace(/^1\./, '')}`;
  return [...names].toSorted().map((name) => `${name} => ${name} ${published}`);
}

const target = (name: string, version: string): string => join(CACHE, 'bin', `${name}-${version}`);

/** Built under another name and renamed: a build that was cut off leaves nothing that looks whole. */
async function build(file: string, folder: string, flags: string, what: string): Promise<void> {
  const partial = `${file}.${process.pid}`;
  await go(folder, ['build', '-o', partial, '-ldflags', flags, what]);
  renameSync(partial, file);
}

function programs(): Programs {
  const kubernetes = (name: string): string => target(name, pins.kubernetes);
  return {
    etcd: target('etcd', pins.etcd),
    'kube-apiserver': kubernetes('kube-apiserver'),
    'kube-scheduler': kubernetes('kube-scheduler'),
    'kube-controller-manager': kubernetes('kube-controller-manager'),
    kwok: target('kwok', pins.kwok),
  };
}

export async function hasGo(): Promise<boolean> {
  return run('go', ['version']).then(
    () => true,
    () => false,
  );
}

/** Builds what is missing. */
export async function buildPrograms(say: (line: string) => void): Promise<Programs> {
  const all = programs();
  const timed = async (name: string, work: () => Promise<void>): Promise<void> => {
    const from = performance.now();
    await work();
    say(`${name} built in ${((performance.now() - from) / 1000).toFixed(0)} s`);
  };
  mkdirSync(join(CACHE, 'bin'), { recursive: true });
  mkdirSync(join(CACHE, 'build'), { recursive: true });
  if (!existsSync(all.etcd)) {
    await timed('etcd', async () => {
      const what = 'go.etcd.io/etcd/server/v3';
      await build(all.etcd, await wrapper('etcd', `${what} v${pins.etcd}`, [], [what]), '-s -w', what);
    });
  }
  if (!existsSync(all.kwok)) {
    await timed('kwok', async () => {
      const module = 'sigs.k8s.io/kwok';
      await build(all.kwok, await wrapper('kwok', `${module} v${pins.kwok}`, [], [`${module}/cmd/kwok`]), '-s -w', `${module}/cmd/kwok`);
    });
  }
  const missing = KUBERNETES.filter((name) => !existsSync(all[name]));
  if (missing.length > 0) {
    const version = `v${pins.kubernetes}`;
    const replaces = await stagingReplaces(pins.kubernetes);
    const folder = await wrapper(
      'kube',
      `k8s.io/kubernetes ${version}`,
      replaces,
      KUBERNETES.map((name) => `k8s.io/kubernetes/cmd/${name}`),
    );
    const stamp = ['k8s.io/component-base', 'k8s.io/client-go/pkg'].map((at) => `-X ${at}/version.gitVersion=${version}`).join(' ');
    for (const name of missing) {
      await timed(name, () => build(all[name], folder, `-s -w ${stamp}`, `k8s.io/kubernetes/cmd/${name}`));
    }
  }
  return all;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(await buildPrograms((line) => console.error(line)));
}
