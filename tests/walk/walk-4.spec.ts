import { walkFiftyTimes } from './fifty';

walkFiftyTimes(4);
