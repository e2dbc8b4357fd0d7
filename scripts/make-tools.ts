// `npm run test:tools`: makes by hand what the gate makes before it tests: the Python environment and the S3 server.

import { s3Program, testPython } from './tools.ts';

for (const tool of [await testPython({ make: true }), await s3Program({ make: true })]) {
  console.log(tool.is === 'there' ? tool.path : `${tool.is}: ${tool.why}`);
  if (tool.is !== 'there') process.exitCode = 1;
}
