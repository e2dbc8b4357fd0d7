// What `helm test` runs, in Nerve's own image: no dependency, no file of its own.
import { request } from 'node:https';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

const { WEBHOOK_URL, REDIS_URL, CA } = process.env;
const checks = { 'the webhook answers over TLS and touches no unlabelled pod': webhook, 'Redis takes the password and never evicts': redis };
for (const [what, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok      ${what}`);
  } catch (error) {
    console.log(`FAILED  ${what}: ${error.message}`);
    process.exitCode = 1;
  }
}

async function webhook() {
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'helm-test' }, spec: { containers: [{ name: 'main', image: 'none' }] } };
  const review = {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'helm-test',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      namespace: 'default',
      operation: 'CREATE',
      dryRun: true,
      object: pod,
    },
  };
  const { response } = JSON.parse(await post(`${WEBHOOK_URL}/mutate/pods`, JSON.stringify(review)));
  if (response?.uid !== 'helm-test' || response.allowed !== true) throw new Error(`unexpected answer ${JSON.stringify(response)}`);
  if (response.patch !== undefined && Buffer.from(response.patch, 'base64').toString() !== '[]') throw new Error('it would change that pod');
}

function post(url, body) {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sent = request(url, { method: 'POST', ca: CA, headers, timeout: 10_000 }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => (text += chunk));
      answer.on('end', () => (answer.statusCode === 200 ? resolve(text) : reject(new Error(`HTTP ${answer.statusCode} ${text.slice(0, 200)}`))));
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer within 10 s')));
    sent.on('error', reject);
    sent.end(body);
  });
}

function redis() {
  const url = new URL(REDIS_URL);
  const port = Number(url.port || 6379);
  const user = decodeURIComponent(url.username) || 'default';
  const password = decodeURIComponent(url.password);
  const commands = [...(password ? [['AUTH', user, password]] : []), ['INFO', 'memory'], ['QUIT']];
  // No two dollar signs in a row in this file: a pod's `args` would lose one of them.
  const bulk = (part) => ['$', Buffer.byteLength(part), '\r\n', part, '\r\n'].join('');
  const wire = commands.map((parts) => `*${parts.length}\r\n${parts.map(bulk).join('')}`).join('');
  return new Promise((resolve, reject) => {
    const socket = url.protocol === 'rediss:' ? connectTls({ host: url.hostname, port, servername: url.hostname }) : connect(port, url.hostname);
    let text = '';
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer within 10 s')));
    socket.on('error', reject);
    socket.on('data', (chunk) => (text += chunk));
    socket.on('end', () => {
      const refused = /^-.*/m.exec(text)?.[0];
      if (refused) return reject(new Error(refused));
      const policy = /maxmemory_policy:(\S+)/.exec(text)?.[1];
      return policy === 'noeviction' ? resolve() : reject(new Error(`its maxmemory-policy is ${policy}, not noeviction`));
    });
    socket.write(wire);
  });
}
