import { lightX2V } from './light-x2v';
import { listen } from './listener';
import { liteLlm } from './lite-llm';
import { localAi } from './local-ai';
import { newApi } from './new-api';
import { ollama } from './ollama';
import { openai } from './openai';
import { sglang } from './sglang';
import { siliconFlow } from './silicon-flow';
import { stableDiffusionCpp } from './stable-diffusion-cpp';
import type { Imitation, OtherServer, OtherServerKind, OtherServerOptions } from './types';
import { vllmOmni } from './vllm-omni';

export type * from './types';

const IMITATIONS: Record<OtherServerKind, Imitation> = {
	vllmOmni,
	sglang,
	lightX2V,
	stableDiffusionCpp,
	localAi,
	openai,
	liteLlm,
	newApi,
	ollama,
	siliconFlow,
};

/** The kinds that can be started. */
export const OTHER_SERVER_KINDS = Object.keys(IMITATIONS) as OtherServerKind[];

/** Starts a strict imitation of a server that is not StepFun's, on a free loopback port. */
export async function startOtherServer(
	kind: OtherServerKind,
	options: OtherServerOptions = {},
): Promise<OtherServer> {
	return await listen(IMITATIONS[kind], options);
}
