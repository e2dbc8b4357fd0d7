import { expect, it, test } from 'vitest';
import { typesWith } from '../../src/intake/gpu-types.ts';
import { gpusOf, podFromFlags, type PodFlags } from '../../src/intake/pod-from-flags.ts';

const base: PodFlags = { image: 'train:1', command: ['python', 'train.py'] };
const usage = (words: RegExp) => expect.objectContaining({ kind: 'usage', message: expect.stringMatching(words) });

it('builds the smallest pod that ends', () => {
  expect(podFromFlags(base)).toEqual({ restartPolicy: 'Never', containers: [{ name: 'main', image: 'train:1', command: ['python', 'train.py'] }] });
});

it("leaves the image's own entry point alone when no command is given", () => {
  expect(podFromFlags({ ...base, command: [] }).containers).toEqual([{ name: 'main', image: 'train:1' }]);
});

test.each<[string, Partial<PodFlags>, unknown]>([
  [
    'a GPU is a limit, and its machines are tainted',
    { gpus: '1' },
    {
      container: { resources: { limits: { 'nvidia.com/gpu': '1' } } },
      spec: { tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }] },
    },
  ],
  ['the model of a GPU is no resource', { gpus: '2:l4' }, { container: { resources: { limits: { 'nvidia.com/gpu': '2' } } } }],
  ['CPU is only asked for', { cpu: '4' }, { container: { resources: { requests: { cpu: '4' }, limits: {} } } }],
  ['memory is asked for and limited', { memory: '16Gi' }, { container: { resources: { requests: { memory: '16Gi' }, limits: { memory: '16Gi' } } } }],
  [
    'an environment value may hold "="',
    { env: ['A=b=c', 'EMPTY='] },
    {
      container: {
        env: [
          { name: 'A', value: 'b=c' },
          { name: 'EMPTY', value: '' },
        ],
      },
    },
  ],
  [
    'a Secret is a reference',
    { envFrom: ['secret/wandb', 'configmap/base'] },
    { container: { envFrom: [{ secretRef: { name: 'wandb' } }, { configMapRef: { name: 'base' } }] } },
  ],
  ['the service account has its field', { serviceAccount: 'trainer' }, { spec: { serviceAccountName: 'trainer' } }],
  [
    'each kind of volume has its source',
    { volume: ['claim/data:/data:ro', 'secret/key:/key', 'configmap/c:/c', 'scratch:/tmp/x'] },
    {
      spec: {
        volumes: [
          { name: 'volume-1', persistentVolumeClaim: { claimName: 'data' } },
          { name: 'volume-2', secret: { secretName: 'key' } },
          { name: 'volume-3', configMap: { name: 'c' } },
          { name: 'volume-4', emptyDir: {} },
        ],
      },
      container: {
        volumeMounts: [
          { name: 'volume-1', mountPath: '/data', readOnly: true },
          { name: 'volume-2', mountPath: '/key' },
          { name: 'volume-3', mountPath: '/c' },
          { name: 'volume-4', mountPath: '/tmp/x' },
        ],
      },
    },
  ],
])('%s', (_, flags, wanted) => {
  const { container, spec } = wanted as { container?: object; spec?: object };
  const pod = podFromFlags({ ...base, ...flags });
  expect(pod).toMatchObject(spec ?? {});
  expect(pod.containers[0]).toMatchObject(container ?? {});
});

test.each<[Partial<PodFlags>, RegExp]>([
  [{ gpus: 'l4' }, /--gpus "l4"/],
  [{ gpus: '0' }, /--gpus "0"/],
  [{ gpus: '1:' }, /--gpus "1:"/],
  [{ cpu: 'four' }, /--cpu "four"/],
  [{ memory: '16 GB' }, /--memory "16 GB"/],
  [{ env: ['NOVALUE'] }, /--env "NOVALUE"/],
  [{ env: ['=x'] }, /--env "=x"/],
  [{ env: ['NERVE_ATTEMPT=7'] }, /NERVE_ATTEMPT/],
  [{ envFrom: ['wandb'] }, /--env-from "wandb"/],
  [{ envFrom: ['secret/Up'] }, /--env-from/],
  [{ volume: ['claim/data'] }, /--volume "claim\/data"/],
  [{ volume: ['/host:/data'] }, /--volume/],
  [{ volume: ['scratch/x:/data'] }, /--volume/],
  [{ volume: ['claim:/data'] }, /--volume/],
])('refuses %j with the name of the flag', (flags, words) => {
  expect(() => podFromFlags({ ...base, ...flags })).toThrow(usage(words));
});

test.each([
  ['1:l4', ['g6.xlarge', 'g6.2xlarge', 'g6.4xlarge', 'g6.8xlarge', 'g6.16xlarge']],
  ['2:L4', ['g6.12xlarge', 'g6.24xlarge']],
  ['8:h100', ['p5.48xlarge']],
  ['3', null],
])('--gpus %s means machines with at least as many', (text, types) => {
  expect(typesWith(gpusOf(text))).toEqual(types);
});

test.each([
  ['1:b17', /does not know a GPU "b17"/],
  ['9:l4', /No machine with 9 GPUs/],
])('--gpus %s is refused', (text, words) => {
  expect(() => typesWith(gpusOf(text))).toThrow(usage(words));
});
