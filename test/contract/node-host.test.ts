import { localClusterRig, memoryClusterRig } from './cluster-rigs.ts';
import { nodeHostContract } from './node-host.ts';

nodeHostContract('memory', memoryClusterRig);
nodeHostContract('this machine', localClusterRig);
