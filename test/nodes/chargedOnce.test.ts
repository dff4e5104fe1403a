import { setTimeout as sleep } from 'node:timers/promises';

import { answerWith, startHostileServer, type HostileServer } from '../security/hostile-server';
import { inputImage } from '../stepfun-server/test-requests';
import { runGenerate } from './local-runs';

// What arrived whole was charged, and would be charged again with each further request.

let server: HostileServer;
let png: Buffer;

beforeAll(async () => {
	png = await inputImage(40, 30, 'png');
	server = await startHostileServer((_request, response) => void response.end());
});
afterAll(async () => await server.close());

test('an image whose Base64 goes wrong in a later piece is not asked for again', async () => {
	server.attackWith((_request, response) => {
		response.write(`{"id":"id","data":[{"b64_json":"${png.subarray(0, 66).toString('base64')}`);
		void sleep(200).then(() => response.end('%%%%"}]}'));
	});
	const { error } = await runGenerate(server, { options: { maxTries: 3 } });
	expect(error?.message).toBe(
		'What came as the image is not an image: The image in the answer is not valid Base64',
	);
	expect(server.requests).toHaveLength(1);
});

test('a whole answer with half an image is not asked for again', async () => {
	server.attackWith((_request, response) => {
		response.end(answerWith(png.subarray(0, png.length >> 1).toString('base64')));
	});
	const { error } = await runGenerate(server, { options: { maxTries: 3 } });
	expect(error?.message).toBe(
		'What came as the image is not an image: The image ends in the middle',
	);
	expect(error?.description).toContain('Request ID: id.');
	expect(server.requests).toHaveLength(1);
});
