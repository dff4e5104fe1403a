import { lightX2V } from './lightX2v.cts';
import { listen } from './listener.cts';
import { liteLlm } from './liteLlm.cts';
import { localAi } from './localAi.cts';
import { newApi } from './newApi.cts';
import { ollama } from './ollama.cts';
import { openai } from './openai.cts';
import { sglang } from './sglang.cts';
import { siliconFlow } from './siliconFlow.cts';
import { stableDiffusionCpp } from './stableDiffusionCpp.cts';
import type { Simulation, OtherServer, OtherServerKind, OtherServerOptions } from './types.cts';
import { vllmOmni } from './vllmOmni.cts';

export type * from './types.cts';

const SIMULATIONS: Record<OtherServerKind, Simulation> = {
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
export const OTHER_SERVER_KINDS = Object.keys(SIMULATIONS) as OtherServerKind[];

/** Starts a strict simulation of a server that is not StepFun's, on a free loopback port. */
export async function startOtherServer(
	kind: OtherServerKind,
	options: OtherServerOptions = {},
): Promise<OtherServer> {
	return await listen(SIMULATIONS[kind], options);
}
