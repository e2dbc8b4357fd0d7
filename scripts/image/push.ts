// Pushes an image to a registry over HTTP, as the OCI distribution specification 1.1 says: blobs that are not there yet, each in one
// piece, then the manifest under its tag. Credentials are those of `docker login` (the `auths` of its config.json, no helper program).

import { readFileSync } from 'node:fs';
import { type Image, MANIFEST_TYPE } from './oci.ts';

export interface Target {
  readonly host: string;
  readonly repository: string;
  readonly tag: string;
}

export interface PushOptions {
  /** Docker's config.json; a missing one means no credentials. */
  readonly credentialsFile: string;
  /** `http:` where the host is not this machine. This machine's own registry is always asked in plain HTTP. */
  readonly plainHttp?: boolean;
}

/** HOST[:PORT]/NAME[:TAG]; the host must be there, so that nothing is pushed to somewhere nobody named. */
export function parseTarget(name: string, defaultTag: string): Target {
  const match = /^([^/]+)\/([a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(\w[\w.-]{0,127}))?$/.exec(name);
  const [, host, repository, tag] = match ?? [];
  if (host === undefined || repository === undefined || !(host.includes('.') || host.includes(':') || host === 'localhost')) {
    throw new Error(`"${name}" is no HOST/NAME[:TAG], for example registry.example.com/team/nerve:1.0.`);
  }
  return { host, repository, tag: tag ?? defaultTag };
}

/** Returns the digest under which the image can be pulled. */
export async function push(image: Image, target: Target, options: PushOptions): Promise<string> {
  const local = /^(localhost|127\.|\[::1\])/.test(target.host);
  const base = `${local || options.plainHttp === true ? 'http' : 'https'}://${target.host}/v2/${target.repository}`;
  const ask = registryClient(target, options.credentialsFile);
  for (const { digest, bytes } of [...image.layers, image.config]) {
    const there = await ask(`${base}/blobs/${digest}`, { method: 'HEAD' }, [200, 404]);
    if (there.status === 200) continue;
    const opened = await ask(`${base}/blobs/uploads/`, { method: 'POST' }, [202]);
    const location = opened.headers.get('location');
    if (location === null) throw new Error(`The registry ${target.host} opened an upload and did not say where.`);
    const upload = new URL(location, `${base}/`);
    upload.searchParams.set('digest', digest);
    await ask(upload.href, { method: 'PUT', body: new Uint8Array(bytes), headers: { 'content-type': 'application/octet-stream' } }, [201]);
  }
  const body = new Uint8Array(image.manifest.bytes);
  await ask(`${base}/manifests/${target.tag}`, { method: 'PUT', body, headers: { 'content-type': MANIFEST_TYPE } }, [201]);
  return image.manifest.digest;
}

interface Asked {
  readonly method: 'HEAD' | 'POST' | 'PUT';
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
}

type Ask = (url: string, asked: Asked, expected: readonly number[]) => Promise<Response>;

/** Asks; answers a 401 once with what the challenge wants, and keeps that for what follows. */
function registryClient({ host, repository }: Target, credentialsFile: string): Ask {
  const basic = credentials(credentialsFile, host);
  let authorization: string | null = null;
  return async (url, asked, expected) => {
    // Credentials go to the registry alone, never to a store that it names for the upload.
    const send = (): Promise<Response> =>
      fetch(url, { ...asked, headers: { ...asked.headers, ...(authorization === null || new URL(url).host !== host ? {} : { authorization }) } });
    let answer = await send();
    if (answer.status === 401) {
      authorization = await answerChallenge(answer.headers.get('www-authenticate') ?? '', basic, repository);
      answer = await send();
    }
    if (expected.includes(answer.status)) return answer;
    const said = (await answer.text()).slice(0, 300);
    const hint = answer.status === 401 || answer.status === 403 ? ` Log in first: docker login ${host}.` : '';
    throw new Error(`${asked.method} ${url} was answered with ${answer.status}${said === '' ? '' : ` (${said})`}.${hint}`);
  };
}

async function answerChallenge(challenge: string, basic: string | null, repository: string): Promise<string | null> {
  const scheme = challenge.split(' ')[0]?.toLowerCase();
  if (scheme !== 'bearer') return basic === null ? null : `Basic ${basic}`;
  const fields = new Map([...challenge.matchAll(/(\w+)="([^"]*)"/g)].map((match) => [match[1], match[2] ?? '']));
  const realm = new URL(fields.get('realm') ?? 'none:');
  realm.searchParams.set('service', fields.get('service') ?? '');
  realm.searchParams.set('scope', fields.get('scope') ?? `repository:${repository}:pull,push`);
  const answer = await fetch(realm, { headers: basic === null ? {} : { authorization: `Basic ${basic}` } });
  if (!answer.ok) return null;
  const { token, access_token: accessToken } = (await answer.json()) as { readonly token?: string; readonly access_token?: string };
  return `Bearer ${token ?? accessToken ?? ''}`;
}

function credentials(file: string, host: string): string | null {
  try {
    const { auths } = JSON.parse(readFileSync(file, 'utf8')) as { readonly auths?: Readonly<Record<string, { readonly auth?: string }>> };
    return auths?.[host]?.auth ?? null;
  } catch {
    return null;
  }
}
