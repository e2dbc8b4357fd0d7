// Worker and agent as the chart starts them: the very programs of `nerve worker` and `nerve agent`, without the command line around them, which
// would be a third of the agent's memory. dist/cli.js comes here where NERVE_TARGET is "cluster" (scripts/build.ts).

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { environment } from './config/environment.ts';
import { EC2_METADATA } from './config/in-cluster.ts';
import { NerveError } from './engine/errors.ts';
import { untilStopped } from './terminal/until-stopped.ts';

const [role, ...rest] = process.argv.slice(2);

async function agent(args: readonly string[]): Promise<void> {
  const { ownNode, runClusterAgents } = await import('./wire-agent.ts');
  const { values } = parseArgs({ args: [...args], options: { node: { type: 'string', multiple: true }, imds: { type: 'string' } } });
  const own = ownNode();
  const nodes = values.node ?? (own === null ? [] : [own]);
  if (nodes.length === 0)
    throw new NerveError('usage', 'The agent is not told which node it is on.', { hint: 'Give --node NAME, or set NERVE_NODE_NAME.' });
  const imds = values.imds ?? environment()['AWS_EC2_METADATA_SERVICE_ENDPOINT'] ?? EC2_METADATA;
  const agents = nodes.map((node) => ({ node, imdsUrl: imds.replaceAll('{node}', node) }));
  await runClusterAgents(agents, untilStopped());
}

async function worker(): Promise<void> {
  const [{ loadConfig }, { runClusterWorker }] = await Promise.all([import('./config/load.ts'), import('./wire-cluster.ts')]);
  await runClusterWorker(loadConfig().config, version(), untilStopped());
}

const version = (): string => (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string }).version;

(role === 'agent' ? agent(rest) : worker()).then(
  () => process.exit(0),
  (error: unknown) => {
    const known = error instanceof NerveError ? error : null;
    process.stderr.write(known === null ? `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n` : told(known));
    process.exit(known?.kind === 'usage' ? 2 : known?.kind === 'unreachable' ? 3 : known?.kind === 'refused' ? 4 : 1);
  },
);

const told = ({ message, hint }: NerveError): string => `Error: ${message}\n${hint === undefined ? '' : `${hint}\n`}`;
