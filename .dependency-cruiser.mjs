// The import rules of the house (ARCHITECTURE.md, "Rooms"). An arrow that is not allowed here is an error in `npm run check`.
//
//     commands -> wire -> queue, adapters -> ports -> engine <- tui, webhook
//                   \-> worker, agent, feeds, dashboard -> ports -> engine
//
// Surprise: dependency-cruiser exits green when it finds no modules at all, so scripts/checks.ts counts them.

const ROOMS = ['worker', 'agent', 'feeds', 'webhook', 'watchdog', 'dashboard', 'queue', 'adapters'];

/** Each of the seven rooms may import itself, ports and engine, and nothing else of ours. */
const noArrowBetweenRooms = ROOMS.map((room) => ({
  name: `${room}-stands-alone`,
  comment: `src/${room} imports only itself, ports and engine: no arrow between worker, agent, feeds, webhook, dashboard, queue and adapters.`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^src/', pathNot: [`^src/${room}/`, '^src/ports\\.ts$', '^src/engine/'] },
}));

const rules = [
  {
    name: 'engine-is-pure',
    comment: 'The engine imports nothing outside itself: no builtins, no packages, no other room.',
    severity: 'error',
    from: { path: '^src/engine/' },
    to: { pathNot: '^src/engine/' },
  },
  {
    name: 'ports-know-only-the-engine',
    comment: 'The ports are spoken by both sides; what they name must be in the engine.',
    severity: 'error',
    from: { path: '^src/ports\\.ts$' },
    to: { pathNot: '^src/engine/' },
  },
  {
    name: 'tui-over-engine-types',
    comment: 'The terminal interface draws engine values.',
    severity: 'error',
    from: { path: '^src/tui/' },
    to: { path: '^src/', pathNot: ['^src/tui/', '^src/engine/'] },
  },
  {
    name: 'config-knows-only-the-engine',
    comment: 'Settings are values: config may use engine types and errors, nothing else of ours.',
    severity: 'error',
    from: { path: '^src/config/' },
    to: { path: '^src/', pathNot: ['^src/config/', '^src/engine/'] },
  },
  {
    name: 'simulate-stands-on-the-engine',
    comment: 'A replay is a world of numbers: the engine decides in it, and nothing else is needed.',
    severity: 'error',
    from: { path: '^src/simulate/' },
    to: { path: '^src/', pathNot: ['^src/simulate/', '^src/engine/'] },
  },
  {
    name: 'demo-is-built-on-the-parts',
    comment: 'The demo uses the product through wire, never a room behind its back.',
    severity: 'error',
    from: { path: '^src/demo/' },
    to: {
      path: '^src/',
      pathNot: ['^src/demo/', '^src/engine/', '^src/ports\\.ts$', '^src/wire\\.ts$', '^src/config/', '^src/intake/', '^src/terminal/'],
    },
  },
  {
    name: 'commands-go-through-wire',
    comment: 'A command parses, asks wire, and prints; so do the rooms that commands share.',
    severity: 'error',
    from: { path: '^src/(commands|terminal|intake)/' },
    to: { path: '^src/(worker|agent|feeds|webhook|dashboard|queue|adapters)/' },
  },
  {
    name: 'doctor-looks-through-ports',
    comment: 'Facts are gathered through ports, judged without I/O, and shown by others.',
    severity: 'error',
    from: { path: '^src/doctor/' },
    to: { path: '^src/', pathNot: ['^src/doctor/', '^src/engine/', '^src/ports\\.ts$', '^src/intake/'] },
  },
  {
    name: 'intake-speaks-ports',
    comment: 'What turns an ask into a record works on any target.',
    severity: 'error',
    from: { path: '^src/intake/' },
    to: { path: '^src/', pathNot: ['^src/intake/', '^src/engine/', '^src/ports\\.ts$', '^src/config/'] },
  },
  {
    name: 'nothing-imports-the-edge',
    comment: 'Commands and their table are the outermost layer.',
    severity: 'error',
    from: { path: '^src/', pathNot: ['^src/commands/', '^src/cli\\.ts$'] },
    to: { path: '^src/(commands/|(cli|pod)\\.ts$)' },
  },
  {
    name: 'nothing-below-talks-to-people',
    comment: 'Only commands and the demo print; wire and the rooms below answer with values.',
    severity: 'error',
    from: { path: '^src/', pathNot: ['^src/commands/', '^src/(cli|pod)\\.ts$', '^src/terminal/', '^src/demo/'] },
    to: { path: '^src/terminal/' },
  },
  {
    name: 'redis-only-in-queue',
    comment: 'The queue is the only room that knows BullMQ and ioredis.',
    severity: 'error',
    from: { path: '^src/', pathNot: '^src/queue/' },
    to: { path: '(^|node_modules/)(bullmq|ioredis)(/|$)' },
  },
  {
    name: 'aws-only-in-its-adapter',
    comment: 'One SDK a folder: the AWS SDK takes most of a second to load.',
    severity: 'error',
    from: { path: '^src/', pathNot: '^src/adapters/aws/' },
    to: { path: '(^|node_modules/)@aws-sdk/' },
  },
  {
    name: 'kubernetes-only-in-its-adapter',
    comment: 'One SDK a folder.',
    severity: 'error',
    from: { path: '^src/', pathNot: '^src/adapters/k8s/' },
    to: { path: '(^|node_modules/)@kubernetes/' },
  },
  {
    name: 'one-sdk-a-folder',
    comment: 'An adapter folder imports no other one, except those that hold no SDK: process, system, redis-server, hooks.',
    severity: 'error',
    from: { path: '^src/adapters/([^/]+)/' },
    to: { path: '^src/adapters/([^/]+)/', pathNot: ['^src/adapters/$1/', '^src/adapters/(process|system|redis-server|hooks)/'] },
  },
  {
    name: 'sources-never-import-tests',
    comment: 'What ships does not depend on what tests it.',
    severity: 'error',
    from: { path: '^src/' },
    to: { path: '^(test|bench|scripts)/' },
  },
  { name: 'no-cycle', comment: 'Two files that need each other are one file.', severity: 'error', from: { path: '^src/' }, to: { circular: true } },
  { name: 'no-unresolvable', comment: 'A typo in a path.', severity: 'error', from: {}, to: { couldNotResolve: true } },
];

export default {
  forbidden: [...rules, ...noArrowBetweenRooms],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    // Type-only imports count: a room that knows another room's types knows that room.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
