// The lean HTTP path against a real TLS server: a token read again, characters cut in two, refusals as kinds.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, serviceAccountApi, statusOf } from '../../src/adapters/k8s/api.ts';
import type { NerveError } from '../../src/engine/errors.ts';
import { createPki } from '../support/k8s/pki.ts';

const folder = mkdtempSync(join(tmpdir(), 'nerve-api-'));
let server: Server;
let api: Api;
let answer: (path: string, response: ServerResponse, token: string) => void = () => undefined;

beforeAll(async () => {
  const pki = await createPki(folder);
  await pki.issue('server', '/CN=server', 'IP:127.0.0.1');
  writeFileSync(join(folder, 'token'), 'secret\n');
  const options = { key: readFileSync(pki.file('server.key')), cert: readFileSync(pki.file('server.crt')) };
  server = createServer(options, (request, response) => answer(request.url ?? '', response, request.headers.authorization ?? ''));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  api = serviceAccountApi({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, folder });
});

afterAll(() => {
  api.close();
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

describe('the API server over HTTPS', () => {
  it('is asked with the token of the account, and its certificate is checked', async () => {
    answer = (path, response, token) => response.end(JSON.stringify({ path, token }));
    expect(await api.call({ path: '/x' })).toEqual({ path: '/x', token: 'Bearer secret' });
  });

  it.each([
    [404, 'not-found'],
    [409, 'conflict'],
    [410, 'conflict'],
    [422, 'conflict'],
    [401, 'refused'],
    [403, 'refused'],
    [429, 'retryable'],
    [503, 'retryable'],
    [400, 'fatal'],
  ])('says %i as %s, with its own words', async (status, kind) => {
    answer = (_, response) => response.writeHead(status).end(JSON.stringify({ kind: 'Status', message: 'pods "a" is not that' }));
    const error = await api.call({ path: '/x?labelSelector=y' }).catch((cause: unknown) => cause as NerveError);
    expect(error).toMatchObject({ kind, message: expect.stringContaining('pods \\"a\\" is not that') });
    expect(error).toMatchObject({ message: expect.not.stringContaining('labelSelector') });
    expect(statusOf(error)).toBe(status);
  });

  it('says that it is away when an answer breaks off', async () => {
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"half":', () => response.destroy());
    };
    await expect(api.call({ path: '/x' })).rejects.toMatchObject({ kind: 'unreachable' });
  });

  it('gives whole lines, whatever the network cuts', async () => {
    answer = (_, response) => {
      const bytes = Buffer.from('{"a":"é"}\n{"b":1}\n');
      const parts = [bytes.subarray(0, 7), bytes.subarray(7, 12), bytes.subarray(12)];
      const next = (): void => {
        const part = parts.shift();
        if (part === undefined) response.end();
        else response.write(part, () => setImmediate(next));
      };
      next();
    };
    const lines: string[] = [];
    await api.lines('/watch', (text) => lines.push(text), { idleMs: 5000, signal: new AbortController().signal });
    expect(lines).toEqual(['{"a":"é"}', '{"b":1}']);
  });

  it('gives a silent stream up', async () => {
    answer = (_, response) => response.write('{}\n');
    const lines: string[] = [];
    const silent = api.lines('/watch', (text) => lines.push(text), { idleMs: 200, signal: new AbortController().signal });
    await expect(silent).rejects.toMatchObject({ kind: 'unreachable' });
    expect(lines).toEqual(['{}']);
  });
});
