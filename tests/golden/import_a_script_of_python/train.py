#!/usr/bin/env python3
#SBATCH --ntasks=1 --gres=gpu:1
#SBATCH --time=1:00:00
print("hello")
