import { join } from 'node:path';
import { projectRoot } from '../../runtime/project-root';

/** The demonstration model that ships with the project; `npm run model` makes it again. */
export const DEMO_MODEL_PATH = join(projectRoot(), 'offchain', 'guest', 'engine', 'demo', 'cocoon-demo.gguf');
