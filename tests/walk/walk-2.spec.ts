import { walkFiftyTimes } from './fifty';

walkFiftyTimes(2, 'INV-R1, INV-R2, INV-R3, INV-R5');
