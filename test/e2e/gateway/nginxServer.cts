import { spawn } from 'node:child_process';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { endProcess, findFreePort } from '../../n8n/instance.cts';
import { findProgram } from '../queue/debianProgram.cts';
import { waitFor } from '../../kit/waitFor.cts';

/** A running nginx in front of another server. */
export interface NginxServer {
	origin: string;
	stop(): Promise<void>;
}

export interface NginxOptions {
	/** Where it passes requests on to. */
	upstream: string;
	/** `proxy_read_timeout`, in seconds. */
	readTimeout: number;
}

/** Starts nginx as a reverse proxy on a free port of the loopback interface, with its files in this folder. */
export async function startNginx(
	folder: string,
	{ upstream, readTimeout }: NginxOptions,
): Promise<NginxServer> {
	const program = await findProgram('nginx', 'nginx-light');
	const port = await findFreePort();
	await mkdir(folder);
	const configuration = join(folder, 'nginx.conf');
	// client_max_body_size stays at its default of 1 MB, which is what people meet.
	await writeFile(
		configuration,
		`daemon off;
pid ${folder}/nginx.pid;
${process.getuid?.() === 0 ? `user ${userInfo().username};` : ''}
worker_processes 1;
events {}
http {
	access_log off;
	client_body_temp_path ${folder}/bodies;
	proxy_temp_path ${folder}/responses;
	fastcgi_temp_path ${folder}/fastcgi;
	uwsgi_temp_path ${folder}/uwsgi;
	scgi_temp_path ${folder}/scgi;
	server {
		listen 127.0.0.1:${port};
		proxy_read_timeout ${readTimeout}s;
		location / {
			proxy_pass ${upstream};
		}
	}
}
`,
	);
	const log = await open(join(folder, 'nginx.log'), 'w');
	const child = spawn(
		program,
		['-p', folder, '-c', configuration, '-e', join(folder, 'error.log')],
		{
			stdio: ['ignore', log.fd, log.fd],
		},
	);
	await log.close();
	const origin = `http://127.0.0.1:${port}`;
	try {
		await waitFor('a response of nginx', async () => {
			if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`);
			return (await fetch(origin).catch(() => undefined)) !== undefined;
		});
	} catch (error) {
		await endProcess(child);
		throw error;
	}
	return { origin, stop: () => endProcess(child) };
}
