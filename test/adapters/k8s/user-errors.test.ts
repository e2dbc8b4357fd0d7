import { expect, it, test } from 'vitest';
import { errorFrom } from '../../../src/adapters/k8s/user-errors.ts';
import { exitCodeOf } from '../../../src/terminal/exit-code.ts';

const failure = (status: number, message: string) =>
  errorFrom({ status, body: JSON.stringify({ kind: 'Status', message }), context: 'eks', namespace: 'team-a' });

// Messages as a real API server 1.36 words them.
test.each([
  [
    403,
    'pods "a" is forbidden: exceeded quota: gpu-quota, requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=4, limited: requests.nvidia.com/gpu=4',
    4,
    /quota "gpu-quota" of namespace "team-a".*limited: requests\.nvidia/,
  ],
  [
    403,
    'pods "a" is forbidden: failed quota: compute: must specify limits.cpu for: main; requests.cpu for: main',
    4,
    /asks for: limits\.cpu for: main/,
  ],
  [
    403,
    'pods is forbidden: User "ann" cannot create resource "pods" in API group "" in the namespace "team-a"',
    4,
    /You \(ann\) may not create pods/,
  ],
  [403, 'pods "a" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false', 4, /Pod Security refuses/],
  [404, 'pods "a" not found', 102, /pods "a" not found/],
  [409, 'pods "a" already exists', 1, /already exists/],
  [422, 'Pod "a" is invalid: spec.containers[0].image: Required value', 2, /Required value/],
  [401, 'Unauthorized', 3, /does not accept your credentials/],
  [503, 'the server is currently unable to handle the request', 3, /does not answer as it should/],
])('a %i becomes words and an exit code: %s', (status, message, exit, words) => {
  const error = failure(status, message);
  expect({ exit: exitCodeOf(error), message: error.message }).toEqual({ exit, message: expect.stringMatching(words) });
  expect(error.hint).toBeDefined();
});

it('names the quota for scripts too', () => {
  expect(failure(403, 'pods "a" is forbidden: exceeded quota: q1, requested: pods=1, used: pods=1, limited: pods=1').fields).toMatchObject({
    quota: 'q1',
    namespace: 'team-a',
  });
});

it('tells what a proxy in between answered', () => {
  const error = errorFrom({ status: 502, body: '<html>Bad Gateway</html>', context: 'eks', namespace: 'a' });
  expect(exitCodeOf(error)).toBe(3);
  expect(error.message).toContain('Bad Gateway');
});
