import type { N8nInstallation } from '../n8n/install.cts';
import type { ServerProcess } from './server.cts';

/** What all measurements share. */
export interface BenchmarkContext {
	installation: N8nInstallation;
	/** The packed package under test. */
	tarball: string;
	/** For everything that the benchmark writes and throws away. */
	folder: string;
	/** The part of it that workflows may read. */
	inputFolder: string;
	server: ServerProcess;
	/** The bundled scripts that other processes run. */
	scripts: { bareClient: string; storedExecution: string; eventLoopMonitor: string };
	log: (line: string) => void;
}
