// `npm run image`: Nerve's container image without Docker and without any registry to pull from, put together from Node's own
// binary, the glibc files of this Linux machine and the bundle. The Dockerfile makes the same files (`--folder`) where Docker is.
//
//   npm run image -- --load kind [--cluster NAME]     into the nodes of a kind cluster
//   npm run image -- --load containerd                into this machine's containerd, where its kubelet looks
//   npm run image -- --load FILE.tar                  an archive for anything else
//   npm run image -- --push HOST/NAME[:TAG]           to a registry
//   npm run image -- --folder DIR                     the bare files

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { contents } from './image/contents.ts';
import { archive, image } from './image/oci.ts';
import { parseTarget, push } from './image/push.ts';
import type { Entry } from './image/tar.ts';

const root = join(import.meta.dirname, '..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string };
/** The chart's default: a name that no registry answers to, so a missing image is never fetched from a stranger. */
const NAME = `localhost/nerve:${version}`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      load: { type: 'string' },
      push: { type: 'string' },
      folder: { type: 'string' },
      cluster: { type: 'string', default: 'kind' },
      name: { type: 'string', default: NAME },
      'plain-http': { type: 'boolean', default: false },
      'no-build': { type: 'boolean', default: false },
    },
  });
  const { load, folder } = values;
  const target = values.push === undefined ? null : parseTarget(values.push, version);
  if ([load, folder, target ?? undefined].filter((one) => one !== undefined).length !== 1) {
    throw new Error('Say one of --load kind|containerd|FILE.tar, --push HOST/NAME[:TAG], --folder DIR.');
  }
  if (!values['no-build']) execFileSync(process.execPath, ['scripts/build.ts'], { cwd: root, stdio: 'inherit' });
  const { base, app } = await contents(root);
  if (folder !== undefined) return unpack([...base, ...app], resolve(folder));
  const built = image([base, app], version);
  if (target !== null) {
    const credentialsFile = join(process.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json');
    const digest = await push(built, target, { credentialsFile, plainHttp: values['plain-http'] });
    const repository = `${target.host}/${target.repository}`;
    console.error(`Pushed ${repository}:${target.tag} (${digest}).`);
    return next(`--set image.repository=${repository} --set image.tag=${target.tag}`);
  }
  const bytes = archive(built, values.name);
  const mebibytes = `${(bytes.length / 2 ** 20).toFixed(0)} MiB`;
  if (load === 'kind' || load === 'containerd') {
    withFile(bytes, (file) => {
      const [command, ...args] =
        load === 'kind'
          ? ['kind', 'load', 'image-archive', file, '--name', values.cluster]
          : ['ctr', '--namespace', 'k8s.io', 'images', 'import', file];
      execFileSync(command, args, { stdio: 'inherit' });
    });
    console.error(`Loaded ${values.name} (${mebibytes}).`);
    return next(values.name === NAME ? '' : chartValues(values.name));
  }
  writeFileSync(resolve(load ?? ''), bytes);
  console.error(`Wrote ${load}: ${values.name}, ${mebibytes}.`);
}

const chartValues = (name: string): string => {
  const colon = name.lastIndexOf(':');
  return `--set image.repository=${name.slice(0, colon)} --set image.tag=${name.slice(colon + 1)}`;
};

function next(flags: string): void {
  console.error(`Next: helm install nerve-agent charts/nerve-agent -n nerve --create-namespace ${flags}`.trimEnd());
}

function withFile(bytes: Buffer, use: (file: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'nerve-image-'));
  try {
    writeFileSync(join(folder, 'image.tar'), bytes);
    use(join(folder, 'image.tar'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function unpack(entries: readonly Entry[], folder: string): void {
  for (const entry of entries) {
    const path = join(folder, entry.path);
    mkdirSync(entry.kind === 'folder' ? path : dirname(path), { recursive: true });
    if (entry.kind === 'link') symlinkSync(entry.target, path);
    if (entry.kind === 'file') writeFileSync(path, entry.bytes, { mode: entry.executable === true ? 0o755 : 0o644 });
    if (entry.kind === 'folder' && entry.mode !== undefined) chmodSync(path, entry.mode);
  }
}

try {
  await main();
} catch (error) {
  const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT' && 'path' in error;
  console.error(`nerve: ${missing ? `${String(error.path)} is not installed here.` : error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
