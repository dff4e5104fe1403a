import type { Locator } from 'playwright-core';
import type { Editor } from '../../editor/editor.cts';
import type { N8nInstance } from '../../n8n/instance.cts';
import type { StepFunServer } from '../../stepfun-server/server.cts';

/** A person at n8n's editor, and what is on either side. */
export interface Session {
	editor: Editor;
	n8n: N8nInstance;
	server: StepFunServer;
	/** The key that the server takes. */
	key: string;
	/** A key that it does not take. */
	wrongKey: string;
	log: (line: string) => void;
	/** Takes pictures of a part of the window, without a part of the open panel, where pictures are wanted. */
	shoot(name: string, part?: Locator): Promise<void>;
}
