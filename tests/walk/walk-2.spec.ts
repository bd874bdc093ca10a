import { walkFiftyTimes } from './fifty';

walkFiftyTimes(2);
