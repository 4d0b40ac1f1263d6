# What `accelerate launch --use_deepspeed` would tell its processes, without DeepSpeed, which it would ask for: the words of the line are
# the arguments. Prints as variables.py does.
import json
import sys

from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_deepspeed_cmd_env

args, defaults, precision_of_file = _validate_launch_command(launch_command_parser().parse_args(sys.argv[1:]))
fields = list(defaults.deepspeed_config) if defaults else []
args.deepspeed_fields_from_accelerate_config = ",".join(fields + ["mixed_precision"] * precision_of_file)
print("variables 0", json.dumps(prepare_deepspeed_cmd_env(args)[1], sort_keys=True))
