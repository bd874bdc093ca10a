import { walkFiftyTimes } from './fifty';

walkFiftyTimes(1);
