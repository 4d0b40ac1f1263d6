#!/bin/bash -l
#SBATCH --ntasks=1
module load cuda
srun ./simulate
