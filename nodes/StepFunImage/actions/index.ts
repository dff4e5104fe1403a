export { testStepFunApi } from './credentialTest';
export { run } from './run';
export { searchModels } from './searchModels';
