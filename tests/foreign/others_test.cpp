// Scripts that other people wrote, out of packages as they come from PyPI or, where no package has one, out of a repository, and
// unmodified, on two CPU ranks: each prints the same metric under its own launcher and under ours. Lightning's own program `fabric` is
// first on PATH. Which script is for what:
//
// | kind | script |
// | --- | --- |
// | plain torch.distributed | classy-vision 0.7.0, classy_train.py, on its own template's synthetic images |
// | Fabric with launch() | sheeprl 0.8.4, PPO on gymnasium's CartPole |
// | Lightning Trainer | torchx 0.7.0, examples/apps/lightning/train.py, on the random images that it makes itself |
// | Accelerate | accelerate 1.15.0, test_utils/scripts/test_script.py |
// | torch's record | kubeflow/training-operator, examples/pytorch/elastic/imagenet/imagenet.py; and torch 2.11.0, distributed/run.py |
// | --local-rank | mmpretrain 1.2.0, .mim/tools/train.py; on a CPU its ranks train apart, under both |
// | Fabric without launch() | Lightning-AI/pytorch-lightning, examples/fabric/image_classifier/train_fabric.py |
//
// Looked through for a package with the last one, and for better ones of record and --local-rank: the wheels or source archives of
// accelerate, classy-vision, composer, lightning 2.0.0 and 2.6.6, lightning-cv, lightning-fabric, lightning-thunder, litgpt, mmengine,
// mmpretrain, nvidia-resiliency-ext, open-clip-torch, opacus, pytorch-lightning, sheeprl, super-gradients, timm, torch, torchelastic,
// torchft-nightly, torchrec, torchsnapshot, torchtitan, torchtnt, torchtune, torchx 0.1.0, 0.5.0 and 0.7.0, transformers. Lightning's
// examples are in none of its archives. record stands in torchtitan's trainer, and --local-rank in opacus's examples/cifar10.py, which
// both set a CUDA device first.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <regex>

#include "tests/foreign/installed_python.hpp"

namespace fabric::testing {
namespace {

struct Other {
  std::string package, version, file, sha256;  // file: as the package's RECORD has it; or repository, commit and path of public.txt
  std::string prepare;                         // a line before both
  std::string theirs, ours;
  std::string metric;  // a regular expression; what it finds, sorted, is compared
  std::size_t at_least;
  std::string afterwards;  // a line behind each, whose output counts too
  bool together = true;
};
std::ostream& operator<<(std::ostream& out, const Other& other) { return out << other.package << ' ' << other.file; }

const std::string record_of_torch = "torch.distributed.run";

// What any Python reads at its start, for scripts that do not seed themselves.
const std::string seed = "mkdir seeded && echo 'import torch; torch.manual_seed(1)' >seeded/sitecustomize.py; ";

// clang-format off
const std::string classy =
    "project/classy_train.py device=cpu distributed_backend=ddp skip_tensorboard=True config.num_epochs=1 "
    "config.dataset.train.num_samples=64 config.dataset.train.batchsize_per_replica=8 +config.dataset.train.num_workers=0 "
    "config.dataset.test.num_samples=16 config.dataset.test.batchsize_per_replica=8 +config.dataset.test.num_workers=0";
const std::string ppo =
    "sheeprl exp=ppo env=gym env.id=CartPole-v1 env.capture_video=False env.sync_env=True env.num_envs=1 fabric.accelerator=cpu "
    "fabric.devices=2 fabric.strategy=ddp dry_run=True metric.log_level=1 buffer.memmap=False";
// torchmetrics is the one of its time.
const std::string images = "export PYTHONPATH=$VIRTUAL_ENV/torchmetrics-0.10:seeded; ";
const std::string trainer =
    "torchx.examples.apps.lightning.train --data_path data --epochs 1 --num_samples 32 --batch_size 8 --skip_export --log_path logs "
    "--output_path weights";

const std::string lenet =
    "$VIRTUAL_ENV/lib/python3*/site-packages/mmpretrain/.mim/tools/train.py $VIRTUAL_ENV/lib/python3*/site-packages/mmpretrain/.mim/configs/lenet/"
    "lenet5_mnist.py --no-pin-memory --no-persistent-workers --work-dir work --cfg-options randomness.seed=1 train_cfg.max_epochs=1 "
    "train_dataloader.num_workers=0 val_dataloader.num_workers=0 train_dataloader.dataset.data_prefix=mnist "
    "val_dataloader.dataset.data_prefix=mnist train_dataloader.dataset.indices=1024 val_dataloader.dataset.indices=512 "
    "default_hooks.logger.interval=4 default_hooks.checkpoint.interval=-1 default_hooks.checkpoint.save_last=False";

// It looks for its data three folders above its own. The first 1024 and 512 images, under headers that say so.
const std::string data_of_lightnings_example =
    "mkdir -p a/b/c Datasets/MNIST/raw && cp $SCRIPT a/b/c && python -c '\n"
    "import gzip\n"
    "for name, count, head, size in [(f\"{part}-{kind}-ubyte\", count, head, size) for part, count in [(\"train\", 1024), (\"t10k\", 512)]\n"
    "                                for kind, head, size in [(\"images-idx3\", 16, 784), (\"labels-idx1\", 8, 1)]]:\n"
    "    data = gzip.open(f\"/usr/share/datasets/fashion-mnist/{name}.gz\").read(head + count * size)\n"
    "    open(f\"Datasets/MNIST/raw/{name}\", \"wb\").write(data[:4] + count.to_bytes(4, \"big\") + data[8:])\n'";
const std::string of_lightnings_example = " a/b/c/train_fabric.py --epochs 1 --log-interval 2";

// Images in a folder a class; each rank with a checkpoint of its own, since the script renames one file without asking who else does.
const std::string images_of_imagenet =
    seed + "python -c '\n"
    "import os\n"
    "from PIL import Image\n"
    "for part, count in [(\"train\", 6), (\"val\", 2)]:\n"
    "    for kind in range(5):\n"
    "        os.makedirs(f\"data/{part}/{kind}\")\n"
    "        for n in range(count):\n"
    "            Image.new(\"RGB\", (32, 32), (50 * kind, 40 * n, 90)).save(f\"data/{part}/{kind}/{n}.png\")\n'";
const std::string imagenet =
    " --no-python bash -c 'PYTHONPATH=seeded exec python $SCRIPT -b 5 -p 1 --epochs 1 --checkpoint-file work-$RANK/last data'";

const Other others[] = {
    {"classy-vision", "0.7.0", "../../../classy_vision/classy_train.py",
     "65594e78b517feddcdfd9e7f9b260f61c72350bc968414ca2c2d02905d3f6b89",
     // Its own command lays the script, unchanged, beside its template.
     "python $VIRTUAL_ENV/bin/classy-project project && cmp $VIRTUAL_ENV/classy_vision/classy_train.py project/classy_train.py",
     "python -m torch.distributed.run --nproc-per-node 2 " + classy, "run --nproc-per-node 2 " + classy,
     "Synced meters: .*", 4, ""},
    {"sheeprl", "0.8.4", "sheeprl/cli.py", "c32d70ed52ed9875acc544691afaba75efe08e152f08d5aac889e87ebb56f76f", "",
     "python -m " + ppo, "run --nproc-per-node 2 -m " + ppo,
     "(Rank-[0-9]+: policy_step|Test - Reward).*", 5, ""},
    {"torchx", "0.7.0", "torchx/examples/apps/lightning/train.py", "30649aa72906bfe9b89e5d16c910becb384f5842386c743958aae7891e9ccd09",
     seed + images +
         "python -c 'import numpy; from torchx.examples.apps.lightning.data import create_random_data as make; numpy.random.seed(1); "
         "make(\"data\", num_images=16)'",
     images + "python -m torch.distributed.run --nproc-per-node 2 -m " + trainer, images + ::fabric::testing::ours + "run --nproc-per-node 2 -m " + trainer,
     "(train acc|weights).*", 3,
     // The weights after training say more than the accuracy of four steps.
     "python -c 'import torch; print(\"weights\", sum(w.double().abs().sum().item() for w in "
     "torch.load(\"weights/last.ckpt\", weights_only=False)[\"state_dict\"].values()))' && rm -r weights"},
    {"accelerate", "1.15.0", "accelerate/test_utils/scripts/test_script.py",
     "698b0b4250a6d1ac7facb381a9e55a71ab9a0b179f8e0bac3ce38d8a2c275c92", "",
     // With ACCELERATE_USE_CPU this starts two processes on the CPU; its --cpu starts one.
     "accelerate launch --multi_gpu --num_processes 2 -m accelerate.test_utils.scripts.test_script",
     "run --nproc-per-node 2 --accelerator cpu --env ACCELERATE_USE_CPU=true -m accelerate.test_utils.scripts.test_script",
     "(Distributed environment|Num processes|Process index|All rng|Training yielded|[A-Z][a-z-]+ .*dataloader passing|\\*\\*[A-Z]).*", 14, ""},
    {"mmpretrain", "1.2.0", "mmpretrain/.mim/tools/train.py", "63696f088bcc25112d710e30b3b717fed09baf95ce1c83dede47dbb5b651300f",
     "mkdir mnist && for file in /usr/share/datasets/fashion-mnist/*.gz; do gunzip -c $file >mnist/$(basename $file .gz); done",
     "python -m torch.distributed.launch --nproc-per-node 2 " + lenet, "run --nproc-per-node 2 --local-rank-option --local-rank " + lenet,
     "(loss: |accuracy/top1: )[0-9.]+", 6, "", false},
    {"kubeflow/training-operator", "05d24a7c9d1aaa35dc42642b6f9fe38e7d5b15ec", "examples/pytorch/elastic/imagenet/imagenet.py",
     "4e1ccc961386f1396840d0f7f4a3f5ff9832869eb8e8a715e0b46906526a5754", images_of_imagenet,
     "python -m torch.distributed.run --nproc-per-node 2" + imagenet, "run --nproc-per-node 2" + imagenet,
     "( \\* Acc@1 [0-9.]+|Loss [0-9.e+]+ [(][0-9.e+]+)", 8, "rm -r work-*"},
    {"Lightning-AI/pytorch-lightning", "17c3d0bc8af7179d187457bd9f3ba34d57240fbb", "examples/fabric/image_classifier/train_fabric.py",
     "1dd28db0e85750ffb133a7b9bbfb4b9a0c5e9d21a602d416ebd41d81c65c3be8", data_of_lightnings_example,
     "fabric run --accelerator cpu --strategy ddp --devices 2" + of_lightnings_example,
     "run model --accelerator cpu --strategy ddp --devices 2" + of_lightnings_example, "(Loss: |Test set: ).*", 12, ""},
    // The same under torchrun: each rank trains all on its own, and only ours says so.
    {"Lightning-AI/pytorch-lightning", "17c3d0bc8af7179d187457bd9f3ba34d57240fbb", "examples/fabric/image_classifier/train_fabric.py",
     "1dd28db0e85750ffb133a7b9bbfb4b9a0c5e9d21a602d416ebd41d81c65c3be8", data_of_lightnings_example,
     "python -m torch.distributed.run --nproc-per-node 2" + of_lightnings_example, "run --nproc-per-node 2" + of_lightnings_example,
     "(Loss: |Test set: ).*", 20, "", false},
};
// clang-format on

BOOST_AUTO_TEST_SUITE(scripts_of_others)

BOOST_DATA_TEST_CASE(print_the_metric_of_their_own_launcher, others, other) {
  if (left_out()) return;
  const Folder folder;
  std::string before;
  if (other.package.find('/') == std::string::npos) {
    is_unmodified(folder, other.package, other.version, other.file, other.sha256);
  } else {
    const auto script = public_script(other.sha256, std::filesystem::path(other.file).filename());
    if (!script) return;
    before = "export SCRIPT=" + script->string() + "; ";
  }
  if (!other.prepare.empty()) {
    const Result prepared = shell(folder, before + other.prepare);
    BOOST_TEST_REQUIRE(prepared.code == 0, prepared.text);
  }
  const std::string then = other.afterwards.empty() ? "" : " && " + other.afterwards;
  const Result expected = shell(folder, before + other.theirs + then);
  BOOST_TEST_REQUIRE(expected.code == 0, expected.text);
  const Result found = shell(folder, before + (other.ours.starts_with("run ") ? ours : "") + other.ours + then);
  BOOST_TEST_REQUIRE(found.code == 0, found.text);
  BOOST_TEST(metrics_of(expected.text, other.metric).size() >= other.at_least, expected.text);
  BOOST_TEST(metrics_of(found.text, other.metric) == metrics_of(expected.text, other.metric), boost::test_tools::per_element());
  BOOST_TEST((found.text.find("independent processes") == std::string::npos) == other.together, found.text);
}

// Lightning's command line refuses a script that launches itself; under its contract ours does not hide that.
BOOST_AUTO_TEST_CASE(what_lightnings_command_line_refuses_is_refused_under_its_contract) {
  if (left_out()) return;
  const Folder folder;
  const std::string says = "`.launch()` again is not allowed";
  folder.write("train.py", "import runpy\nrunpy.run_module('sheeprl', run_name='__main__')\n");
  const std::string words = ppo.substr(ppo.find(' '));
  const Result expected = shell(folder, "fabric run --accelerator cpu --strategy ddp --devices 2 train.py" + words);
  BOOST_TEST(expected.code != 0);
  BOOST_TEST(expected.text.find(says) != std::string::npos, expected.text);
  const Result found = shell(folder, ours + "run model train.py --accelerator cpu --strategy ddp --devices 2" + words);
  BOOST_TEST(found.code == 1);
  BOOST_TEST(found.text.find(says) != std::string::npos, found.text);
}

// What record writes is what we say of the failure.
BOOST_AUTO_TEST_CASE(what_record_writes_of_a_training_is_told) {
  if (left_out()) return;
  const Folder folder;
  const auto script = public_script("4e1ccc961386f1396840d0f7f4a3f5ff9832869eb8e8a715e0b46906526a5754", "imagenet.py");
  if (!script) return;
  const Result run = shell(folder, ours + "run --nproc-per-node 2 " + script->string() + " nowhere");
  BOOST_TEST(run.code == 1);
  BOOST_TEST(std::regex_search(run.text, std::regex("error: rank [01] exited with code 1: FileNotFoundError: .*nowhere/train")), run.text);
}

BOOST_AUTO_TEST_CASE(what_torchs_record_writes_is_told) {
  if (left_out()) return;
  const Folder folder;
  is_unmodified(folder, "torch", "2.11.0", "torch/distributed/run.py", "e1c41f86d5cb299410e2ae087e4e070ae634aa87daf2b308939ea7032e65c6e0");
  folder.write("nothing.py", "");
  const Result run = shell(folder, ours + "run --nproc-per-node 2 -m " + record_of_torch + " --rdzv-backend nowhere nothing.py");
  BOOST_TEST(run.code == 1);
  BOOST_TEST(std::regex_search(run.text, std::regex("error: rank [01] exited with code 1: ValueError: .*nowhere")), run.text);
  BOOST_TEST(shell(folder, "cat runs/*/latest/nodes/0/rank-[01].error.json").text.find("nowhere") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
