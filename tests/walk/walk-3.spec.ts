import { walkFiftyTimes } from './fifty';

walkFiftyTimes(3);
