/** The contracts' faces, for the processes: this room is their one door to wrappers/. */
export { ClientContract, type ClientState, type ClientTerms, type SettledReceipt } from '../../wrappers/ClientContract';
export { type Endpoint, ProxyContract, type ProxyState } from '../../wrappers/ProxyContract';
export { RootContract } from '../../wrappers/RootContract';
export { WorkerContract } from '../../wrappers/WorkerContract';
export { EVERYTHING } from '../../wrappers/withdrawal';
